#include "engine/main_channel/main_channel_reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace multifd {
namespace {

// One HELLO command fits, and small records come many at a time.
constexpr std::size_t kBufferBytes = 2 * limits::kHelloBytesMax;

}  // namespace

MainChannelReader::MainChannelReader(Connection& connection, const SectionClassifier& classifier,
                                     ParserOptions options, const Interrupt& interrupt)
    : connection_(connection),
      interrupt_(&interrupt),
      parser_(classifier, options),
      buffer_(kBufferBytes) {}

Result<StreamEvent> MainChannelReader::next(Deadline deadline) {
    for (;;) {
        const auto visible = std::span<const std::byte>(buffer_).subspan(begin_, end_ - begin_);
        auto parsed = parser_.parse(visible);
        if (!parsed) return parsed.error();
        begin_ += parsed->consumed;
        if (parsed->event) return *parsed->event;
        if (const auto more = receive_more(parsed->needed, deadline); !more) return more.error();
    }
}

Result<> MainChannelReader::receive_more(std::size_t needed, Deadline deadline) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    // The parser never needs more than kVisibleBytesMax, whatever the peer writes. It searches an
    // unsized config state byte by byte, so room for many is made at once.
    if (needed > buffer_.size()) {
        buffer_.resize(std::max(needed, std::min(2 * buffer_.size(), kVisibleBytesMax)));
    }
    const auto room = std::span(buffer_).subspan(end_);
    const auto count = connection_.receive_some(room, deadline, interrupt_);
    if (!count) return count.error();
    if (*count == 0) {
        const auto end = parser_.finish(end_);
        return end ? ErrorCode(Errc::peer_closed) : end.error();
    }
    end_ += *count;
    bytes_read_.fetch_add(*count, std::memory_order_relaxed);
    return {};
}

Result<> MainChannelReader::read_raw(std::span<std::byte> target) {
    const std::size_t buffered = std::min(target.size(), end_ - begin_);
    if (buffered != 0) std::memcpy(target.data(), buffer_.data() + begin_, buffered);
    begin_ += buffered;
    target = target.subspan(buffered);
    while (!target.empty()) {
        const auto count = connection_.receive_some(target, kNoDeadline, interrupt_);
        if (!count) return count.error();
        if (*count == 0) return ErrorCode(Errc::stream_truncated);
        bytes_read_.fetch_add(*count, std::memory_order_relaxed);
        target = target.subspan(*count);
    }
    return {};
}

Result<> MainChannelReader::skip_raw(std::uint64_t bytes) {
    std::array<std::byte, 16 * limits::kKiB> dropped;
    while (bytes > 0) {
        const auto piece = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, dropped.size()));
        if (const auto read = read_raw(std::span(dropped).first(piece)); !read) return read.error();
        bytes -= piece;
    }
    return {};
}

}  // namespace multifd
