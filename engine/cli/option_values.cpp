#include "engine/cli/option_values.hpp"

#include <algorithm>
#include <charconv>
#include <span>

#include "channels/codec/zstd_compressor.hpp"
#include "channels/transport/address.hpp"
#include "channels/transport/resolver.hpp"
#include "channels/wire/limits.hpp"
#include "engine/devices/device_options.hpp"
#include "engine/paths/cpu_list.hpp"
#include "engine/text/nearest_name.hpp"
#include "engine/text/quantity.hpp"

namespace multifd {
namespace {

constexpr std::size_t kUuidBytes = 16;

constexpr std::array<std::string_view, 2> kOnOff{"on", "off"};
constexpr std::array<std::string_view, 2> kPeers{"multifd", "qemu"};
constexpr std::array<std::string_view, 3> kCompressions{"none", "zstd", "auto"};
constexpr std::array<std::string_view, 2> kOrders{"behind", "arrival"};
constexpr std::array<std::string_view, 2> kUnknownOwner{"hold", "exit"};
constexpr std::array<std::string_view, 2> kInterfaces{"v2", "v1"};
constexpr std::array<std::string_view, 2> kRoles{"source", "destination"};
constexpr std::array<std::string_view, 2> kMemories{"held", "lent"};
constexpr std::array<std::string_view, 5> kLogLevels{"debug", "info", "warning", "error", "none"};

/// The position of `text` in `words`.
std::size_t read_word(std::string_view text, std::span<const std::string_view> words) {
    const auto found = std::ranges::find(words, text);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    std::string allowed;
    for (const std::string_view word : words) {
        if (!allowed.empty()) allowed += word == words.back() ? " or " : ", ";
        allowed += word;
    }
    const std::string nearest(nearest_name(text, words));
    throw UsageError("is not " + allowed + "; did you mean " + nearest + "?");
}

std::uint64_t read_size(std::string_view text) {
    const auto size = parse_size(text);
    if (!size) throw UsageError("is not a size: give " + std::string(kSizeForm));
    return *size;
}

}  // namespace

std::string_view to_string(LogChoice choice) noexcept {
    return kLogLevels[static_cast<std::size_t>(choice)];
}

std::string read_not_empty(std::string_view text) {
    if (text.empty()) throw UsageError("is empty");
    return std::string(text);
}

std::string read_address(std::string_view text) {
    if (!parse_address(text)) throw UsageError("is neither tcp:HOST:PORT nor unix:PATH");
    return std::string(text);
}

std::string read_bind(std::string_view text) {
    if (text == "any" || numeric_address(std::string(text), 0)) return std::string(text);
    if (text.starts_with("unix:")) {
        throw UsageError(
            "is a UNIX socket, whose connections have no source address: give an IP address or "
            "any");
    }
    throw UsageError(
        "is no source address: give an IPv4 or IPv6 address of this host, without a "
        "port, or any");
}

std::vector<unsigned> read_cpus(std::string_view text) {
    auto cpus = parse_cpu_list(text);
    if (!cpus) throw UsageError("is no list of CPUs: give numbers and ranges, as in 0-3,8");
    return std::move(*cpus);
}

NumaNode read_numa_node(std::string_view text) {
    if (text == "auto") return {.kind = NumaNode::Kind::automatic};
    constexpr std::uint64_t kNodesMax = 1024;  // The kernel's own limit.
    const auto node = parse_count(text);
    if (!node || *node >= kNodesMax) throw UsageError("is no NUMA node: give its number, or auto");
    return {.kind = NumaNode::Kind::fixed, .node = static_cast<unsigned>(*node)};
}

std::string format_numa_node(const NumaNode& node) {
    switch (node.kind) {
        case NumaNode::Kind::none:
            return "none";
        case NumaNode::Kind::automatic:
            return "auto";
        case NumaNode::Kind::fixed:
            break;
    }
    return std::to_string(node.node);
}

std::string read_congestion_control(std::string_view text) {
    constexpr std::size_t kNameBytesMax =
        15;  // The kernel's limit; whether it has it is asked later.
    const auto printing = [](char letter) { return letter > ' ' && letter < '\x7f'; };
    if (text.empty() || text.size() > kNameBytesMax || !std::ranges::all_of(text, printing)) {
        throw UsageError("is no name of a congestion control, such as bbr or cubic");
    }
    return std::string(text);
}

std::string read_machine(std::string_view text) {
    if (text.empty() || text.size() > limits::kMachineNameBytesMax) {
        throw UsageError("is no machine type: 1 to 255 bytes");
    }
    return std::string(text);
}

bool read_on_off(std::string_view text) {
    return read_word(text, kOnOff) == 0;
}

std::uint32_t read_channels(std::string_view text) {
    const auto count = parse_count(text);
    if (!count || *count > limits::kChannelsMax) {
        throw UsageError("is no number of channels: 1 to 255");
    }
    return static_cast<std::uint32_t>(*count);
}

std::size_t read_packet_size(std::string_view text) {
    const std::uint64_t size = read_size(text);
    if (size < limits::kPacketDataBytesMin || size > limits::kPacketDataBytesMax ||
        size % limits::kPageBytes != 0) {
        throw UsageError("is no packet size: 4KiB to 16MiB in whole pages of 4KiB");
    }
    return size;
}

std::size_t read_queued_bytes(std::string_view text) {
    const std::uint64_t size = read_size(text);
    if (size < limits::kPacketDataBytesMin) {
        throw UsageError("is below one packet: at least 4KiB");
    }
    return size;
}

std::uint64_t read_rate(std::string_view text) {
    const auto rate = parse_rate(text);
    if (!rate) throw UsageError("is not a rate: give " + std::string(kRateForm));
    return *rate;
}

std::chrono::milliseconds read_time(std::string_view text) {
    const auto time = parse_time(text);
    if (!time) throw UsageError("is not a time: give " + std::string(kTimeForm));
    const auto whole = std::chrono::duration_cast<std::chrono::milliseconds>(*time);
    if (whole != *time) throw UsageError("is finer than the milliseconds this option counts in");
    // Deadlines add this to a 64-bit clock of nanoseconds; a century leaves them room.
    constexpr std::chrono::milliseconds kTimeMax = std::chrono::hours(24 * 36525);
    if (whole > kTimeMax) throw UsageError("is longer than a century");
    return whole;
}

std::chrono::milliseconds read_timeout(std::string_view text) {
    const auto time = read_time(text);
    if (time.count() == 0) throw UsageError("leaves no time at all: at least 1ms");
    return time;
}

Peer read_peer(std::string_view text) {
    return read_word(text, kPeers) == 0 ? Peer::multifd : Peer::qemu;
}

MultifdCompression read_compression(std::string_view text) {
    return static_cast<MultifdCompression>(read_word(text, kCompressions));
}

std::string_view to_string(MultifdCompression compression) noexcept {
    return kCompressions[static_cast<std::size_t>(compression)];
}

SubmissionPolicy read_submission_order(std::string_view text) {
    return static_cast<SubmissionPolicy>(read_word(text, kOrders));
}

std::string_view to_string(SubmissionPolicy policy) noexcept {
    return kOrders[static_cast<std::size_t>(policy)];
}

int read_zstd_level(std::string_view text) {
    const auto level = parse_count(text);
    if (!level || *level > kZstdLevelMax) throw UsageError("is no zstd level: 0 to 20");
    return static_cast<int>(*level);
}

OnUnknownOwner read_on_unknown_owner(std::string_view text) {
    return read_word(text, kUnknownOwner) == 0 ? OnUnknownOwner::hold : OnUnknownOwner::exit;
}

vfio_user::Interface read_interface(std::string_view text) {
    return read_word(text, kInterfaces) == 0 ? vfio_user::Interface::v2 : vfio_user::Interface::v1;
}

Role read_role(std::string_view text) {
    return read_word(text, kRoles) == 0 ? Role::source : Role::destination;
}

LogChoice read_log_level(std::string_view text) {
    return static_cast<LogChoice>(read_word(text, kLogLevels));
}

std::uint32_t read_device_count(std::string_view text) {
    const auto count = parse_count(text);
    if (!count || *count < 1 || *count > tuning::kWorkloadDevicesMax) {
        throw UsageError("is no number of devices: 1 to 64");
    }
    return static_cast<std::uint32_t>(*count);
}

std::uint64_t read_state_size(std::string_view text) {
    constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 40U;
    const std::uint64_t size = read_size(text);
    if (size < limits::kPageBytes || size > kSizeMax) {
        throw UsageError("is no size of a state: 4KiB to 1TiB");
    }
    return size;
}

std::uint64_t read_percent(std::string_view text) {
    const auto percent = parse_count(text);
    if (!percent || *percent > 100) throw UsageError("is no percentage: 0 to 100");
    return *percent;
}

std::uint32_t read_repeat(std::string_view text) {
    const auto count = parse_count(text);
    if (!count || *count < 1 || *count > 1000) {
        throw UsageError("is no number of runs: 1 to 1000");
    }
    return static_cast<std::uint32_t>(*count);
}

tuning::Memory read_memory(std::string_view text) {
    return read_word(text, kMemories) == 0 ? tuning::Memory::held : tuning::Memory::lent;
}

std::array<std::byte, 16> read_uuid(std::string_view text) {
    constexpr std::string_view kForm = "is no UUID: 32 hexadecimal digits";
    std::string digits(text);
    if (digits.size() == 36 && digits[8] == '-' && digits[13] == '-' && digits[18] == '-' &&
        digits[23] == '-') {
        std::erase(digits, '-');
    }
    if (digits.size() != 2 * kUuidBytes) throw UsageError(std::string(kForm));
    std::array<std::byte, kUuidBytes> uuid{};
    for (std::size_t index = 0; index < kUuidBytes; ++index) {
        const char* first = digits.data() + 2 * index;
        unsigned value = 0;
        const auto [end, error] = std::from_chars(first, first + 2, value, 16);
        if (error != std::errc{} || end != first + 2) throw UsageError(std::string(kForm));
        uuid[index] = static_cast<std::byte>(value);
    }
    return uuid;
}

std::string format_uuid(const std::array<std::byte, 16>& uuid) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (std::size_t index = 0; index < uuid.size(); ++index) {
        if (index == 4 || index == 6 || index == 8 || index == 10) text += '-';
        text += kDigits[std::to_integer<std::size_t>(uuid[index] >> 4)];
        text += kDigits[std::to_integer<std::size_t>(uuid[index] & std::byte{0x0f})];
    }
    return text;
}

}  // namespace multifd
