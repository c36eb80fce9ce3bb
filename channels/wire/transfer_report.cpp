#include "channels/wire/transfer_report.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "channels/wire/assert.hpp"
#include "channels/wire/big_endian.hpp"
#include "channels/wire/json_text.hpp"

namespace multifd {
namespace {

using nlohmann::json;

constexpr std::size_t kTransferReportNestingMax = 4;

struct Key {
    const char* name;
    std::uint64_t TransferReport::*value;
    std::uint64_t most = kReportedUsMax;
};
constexpr std::array<Key, 11> kKeys{{
    {"us", &TransferReport::us},
    {"user-us", &TransferReport::user_us},
    {"system-us", &TransferReport::system_us},
    {"processors", &TransferReport::processors, kReportedProcessorsMax},
    {"peak-queued-bytes", &TransferReport::peak_queued_bytes, kReportedBytesMax},
    {"channel-cpu-us", &TransferReport::channel_cpu_us},
    {"receive-us", &TransferReport::receive_us},
    {"reorder-wait-us", &TransferReport::reorder_wait_us},
    {"write-us", &TransferReport::write_us},
    {"config-us", &TransferReport::config_us},
    {"validate-us", &TransferReport::validate_us},
}};
// A key is at most 20 bytes long, and so is its number; four more stand around them.
static_assert(2 + kKeys.size() * (20 + 20 + 4) <= kTransferReportBytesMax);

}  // namespace

std::vector<std::byte> encode(const TransferReport& report) {
    MULTIFD_ASSERT(report.processors >= 1);
    json object = json::object();
    for (const Key& key : kKeys) object[key.name] = std::min(report.*key.value, key.most);
    const std::string text = object.dump();
    const auto bytes = bytes_of(text);
    return {bytes.begin(), bytes.end()};
}

Result<TransferReport> decode_transfer_report(std::span<const std::byte> source) {
    const std::string_view text = text_of(source);
    if (source.size() > kTransferReportBytesMax ||
        !json_nesting_within(text, kTransferReportNestingMax)) {
        return make_error_code(Errc::message_malformed);
    }
    const json object = json::parse(text, nullptr, false);
    if (!object.is_object()) return make_error_code(Errc::message_malformed);
    TransferReport report;
    for (const Key& key : kKeys) {
        const auto found = object.find(key.name);
        if (found == object.end() || !found->is_number_unsigned()) {
            return make_error_code(Errc::message_malformed);
        }
        const auto value = found->get<std::uint64_t>();
        if (value > key.most) return make_error_code(Errc::message_malformed);
        report.*key.value = value;
    }
    if (report.processors == 0) return make_error_code(Errc::message_malformed);
    return report;
}

}  // namespace multifd
