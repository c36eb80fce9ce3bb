#include "tests/support/main_channel_tracker.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace multifd {
namespace {

constexpr std::size_t kFooterBytes = 5;
constexpr std::size_t kTokenBytes = 8;
constexpr std::uint64_t kEndOfState = 0xffffffffef100001;
constexpr std::uint64_t kConfigState = 0xffffffffef100002;
constexpr std::uint64_t kSetupState = 0xffffffffef100003;
constexpr std::uint64_t kDataState = 0xffffffffef100004;
constexpr std::uint64_t kInitDataSent = 0xffffffffef100005;
constexpr std::uint64_t kSizedConfig = 0xffffffff4d464401;
constexpr std::uint64_t kInitDataBelow = 0xffffffff4d464402;

constexpr unsigned kRecordEof = 0x00;
constexpr unsigned kRecordStart = 0x01;
constexpr unsigned kRecordPart = 0x02;
constexpr unsigned kRecordEnd = 0x03;
constexpr unsigned kRecordFull = 0x04;
constexpr unsigned kRecordVmDescription = 0x06;
constexpr unsigned kRecordConfiguration = 0x07;
constexpr unsigned kRecordCommand = 0x08;
constexpr unsigned kRecordFooter = 0x7e;
constexpr std::uint64_t kFileMagic = 0x5145564d;

std::uint64_t big_endian_at(std::span<const std::byte> bytes, std::size_t offset,
                            std::size_t size) {
    std::uint64_t value = 0;
    for (const auto byte : bytes.subspan(offset, size)) {
        value = value << 8U | std::to_integer<std::uint64_t>(byte);
    }
    return value;
}

using Name = std::pair<std::uint64_t, const char*>;

template <std::size_t Count>
std::string name_of(const std::array<Name, Count>& names, std::uint64_t value,
                    const std::string& otherwise) {
    const auto* found = std::ranges::find(names, value, &Name::first);
    return found != names.end() ? found->second : otherwise + " " + std::to_string(value);
}

constexpr auto kCommandNames = std::to_array<Name>({{11, "switchover-start"},
                                                    {0x4d01, "hello"},
                                                    {0x4d02, "commit"},
                                                    {0x4d03, "abort"},
                                                    {0x4d04, "verify"},
                                                    {0x4d05, "switchover-at"},
                                                    {0x4d06, "pre-copy-query"}});

constexpr auto kMessageNames = std::to_array<Name>({{1, "shut"},
                                                    {2, "pong"},
                                                    {7, "switchover-ack"},
                                                    {0x4d01, "hello"},
                                                    {0x4d02, "ready"},
                                                    {0x4d03, "loaded"},
                                                    {0x4d04, "running"},
                                                    {0x4d05, "refused"},
                                                    {0x4d06, "pre-copy-status"},
                                                    {0x4d07, "transfer-report"},
                                                    {0x4d41, "heartbeat"},
                                                    {0x4d42, "error"},
                                                    {0x4d43, "cancel-request"}});

}  // namespace

void MainChannelTracker::append(std::span<const std::byte> bytes) {
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
}

std::uint64_t MainChannelTracker::big_endian(std::size_t offset, std::size_t size) const {
    return big_endian_at(pending_, offset, size);
}

std::optional<TrackedRecord> MainChannelTracker::cut(std::string name, std::uint64_t size) {
    if (pending_.size() < size) return std::nullopt;
    const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(size);
    TrackedRecord record{std::move(name), {pending_.begin(), end}};
    pending_.erase(pending_.begin(), end);
    return record;
}

std::optional<TrackedRecord> MainChannelTracker::next() {
    if (pending_.empty()) return std::nullopt;
    if (lost_) return cut("", pending_.size());
    if (raw_bytes_ > 0) {
        const auto size = std::min<std::uint64_t>(raw_bytes_, pending_.size());
        raw_bytes_ -= size;
        return cut("", size);
    }
    if (in_config_) return next_config();
    return in_section_ ? next_inside_section() : next_outside_section();
}

std::optional<TrackedRecord> MainChannelTracker::next_outside_section() {
    const auto type = std::to_integer<unsigned>(pending_[0]);
    constexpr std::size_t kSizeOffset = 1;
    switch (type) {
        case kRecordEof:
            return cut("eof", 1);
        case kRecordConfiguration:
        case kRecordVmDescription:
            if (pending_.size() < 5) return std::nullopt;
            return cut(type == kRecordConfiguration ? "configuration" : "vmdescription",
                       5 + big_endian(kSizeOffset, 4));
        case kRecordCommand:
            if (pending_.size() < 5) return std::nullopt;
            return cut(name_of(kCommandNames, big_endian(1, 2), "command"), 5 + big_endian(3, 2));
        case kRecordStart:
        case kRecordFull: {
            if (pending_.size() < 6) return std::nullopt;
            auto record =
                cut(type == kRecordStart ? "section start" : "section full", 14 + big_endian(5, 1));
            in_section_ = record.has_value();
            return record;
        }
        case kRecordPart:
        case kRecordEnd: {
            auto record = cut(type == kRecordPart ? "section part" : "section end", 5);
            in_section_ = record.has_value();
            return record;
        }
        default:
            break;
    }
    if (type == (kFileMagic >> 24U)) return cut("header", 8);
    lost_ = true;
    return next();
}

std::optional<TrackedRecord> MainChannelTracker::next_inside_section() {
    if (std::to_integer<unsigned>(pending_[0]) == kRecordFooter) {
        auto record = cut("footer", kFooterBytes);
        in_section_ = !record.has_value();
        return record;
    }
    if (pending_.size() < kTokenBytes) return std::nullopt;
    const std::uint64_t token = big_endian(0, kTokenBytes);
    if (token == kEndOfState || token == kSetupState || token == kInitDataSent) {
        return cut("", kTokenBytes);
    }
    if (token == kInitDataBelow) return cut("", kTokenBytes + 4);
    if (token == kConfigState) {
        in_config_ = true;
        return cut("", kTokenBytes);
    }
    if (token == kDataState || token == kSizedConfig) {
        if (pending_.size() < 2 * kTokenBytes) return std::nullopt;
        raw_bytes_ = big_endian(kTokenBytes, kTokenBytes);
        return cut("", 2 * kTokenBytes);
    }
    lost_ = true;
    return next();
}

/// A config state without a size ends with END_OF_STATE and a footer.
std::optional<TrackedRecord> MainChannelTracker::next_config() {
    for (std::size_t offset = 0; offset + kTokenBytes < pending_.size(); ++offset) {
        const bool footer_follows =
            std::to_integer<unsigned>(pending_[offset + kTokenBytes]) == kRecordFooter;
        if (footer_follows && big_endian(offset, kTokenBytes) == kEndOfState) {
            in_config_ = false;
            return cut("", offset + kTokenBytes);
        }
    }
    return std::nullopt;
}

void MessageTracker::append(std::span<const std::byte> bytes) {
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
}

std::optional<TrackedRecord> MessageTracker::next() {
    if (pending_.size() < 4) return std::nullopt;
    const std::uint64_t size = 4 + big_endian_at(pending_, 2, 2);
    if (pending_.size() < size) return std::nullopt;
    const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(size);
    TrackedRecord record{name_of(kMessageNames, big_endian_at(pending_, 0, 2), "message"),
                         {pending_.begin(), end}};
    pending_.erase(pending_.begin(), end);
    return record;
}

}  // namespace multifd
