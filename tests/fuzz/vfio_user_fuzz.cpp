// Any bytes as a vfio-user message, as a version, and as a served device's state.
#include <algorithm>
#include <tuple>

#include "engine/devices/vfio_user/message.hpp"
#include "engine/devices/vfio_user/state_sections.hpp"
#include "engine/devices/vfio_user/version.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace multifd::vfio_user {
namespace {

constexpr std::size_t kTransferMax = 4096;

void decode_message(ConstBytes bytes) {
    HeaderBytes head{};
    std::copy_n(bytes.begin(), std::min(bytes.size(), head.size()), head.begin());
    const Header header = decode_header(head);
    fuzz::check(encode(header) == head);
    if (!check(header, Header::kTypeCommand, kMessageBytesMax)) {
        fuzz::check(header.payload_bytes() <= kMessageBytesMax);
    }
    const ConstBytes payload = bytes.subspan(std::min(bytes.size(), head.size()));
    static_cast<void>(decode_feature(payload));
    static_cast<void>(decode_device_info(payload));
    static_cast<void>(decode_region_info(payload));
    if (const auto read = decode_data_read(payload, kTransferMax); read.has_value()) {
        fuzz::check(read->size <= kTransferMax && read->argsz >= read->size);
    }
    if (const auto write = decode_data_write(payload, kTransferMax); write.has_value()) {
        fuzz::check(write->data.size() == write->size && write->size <= kTransferMax);
    }
    if (const auto write = decode_region_write(payload, kTransferMax); write.has_value()) {
        fuzz::check(write->data.size() == write->count && write->count <= kTransferMax);
    }
}

void decode_a_version(ConstBytes bytes) {
    const auto version = decode_version(bytes);
    if (!version.has_value()) return;
    fuzz::check(*decode_version(encode(*version)) == *version);
    fuzz::check(transfer_bytes(*version) >= 1 && transfer_bytes(*version) <= kTransferBytesDefault);
}

struct Counter final : SectionSink {
    CallResult take_data(ConstBytes bytes) override {
        data += bytes.size();
        return CallResult::success();
    }
    CallResult take_config(ConstBytes bytes) override {
        fuzz::check(!bytes.empty() && bytes.size() <= SectionLimits::kConfigBytesMax);
        ++configs;
        return CallResult::success();
    }
    std::size_t data = 0;
    int configs = 0;
};

/// In pieces of `piece` bytes: the verdict, and what was found.
std::tuple<bool, std::size_t, int> read_state(ConstBytes bytes, std::size_t piece) {
    SectionReader reader({"m", "a", 0});
    Counter counter;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        const auto part = bytes.subspan(at, std::min(piece, bytes.size() - at));
        if (!reader.feed(part, counter).ok()) break;
    }
    fuzz::check(counter.data <= bytes.size() && counter.configs <= 1);
    return {reader.finish().ok(), counter.data, counter.configs};
}

}  // namespace
}  // namespace multifd::vfio_user

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace multifd;
    const auto bytes = fuzz::bytes_of(data, size);
    vfio_user::decode_message(bytes);
    vfio_user::decode_a_version(bytes);
    const auto whole = vfio_user::read_state(bytes, std::max<std::size_t>(size, 1));
    fuzz::check(whole == vfio_user::read_state(bytes, 1));
    fuzz::check(whole == vfio_user::read_state(bytes, 7));
    return 0;
}
