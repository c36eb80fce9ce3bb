#include "engine/main_channel/main_channel_writer.hpp"

#include <algorithm>

namespace multifd {
namespace {

// Progress is told in pieces of this size, so that a slow but living peer never looks stalled.
constexpr std::size_t kPieceBytes = 256 * limits::kKiB;

}  // namespace

MainChannelWriter::MainChannelWriter(Connection& connection, const Interrupt& interrupt)
    : connection_(connection), interrupt_(interrupt) {}

ErrorCode MainChannelWriter::flush(Deadline deadline) {
    const auto error = send(pending_, deadline, &interrupt_);
    pending_.clear();
    return error;
}

ErrorCode MainChannelWriter::flush_with(std::span<const std::byte> raw) {
    if (const auto error = flush()) return error;
    return send(raw, kNoDeadline, &interrupt_);
}

ErrorCode MainChannelWriter::flush_regardless(Deadline deadline) {
    const auto error = send(pending_, deadline, nullptr);
    pending_.clear();
    return error;
}

ErrorCode MainChannelWriter::send(std::span<const std::byte> bytes, Deadline deadline,
                                  const Interrupt* interrupt) {
    for (std::size_t at = 0; at < bytes.size(); at += kPieceBytes) {
        const auto piece = bytes.subspan(at, std::min(kPieceBytes, bytes.size() - at));
        std::size_t sent = 0;
        const auto error = connection_.send(piece, deadline, interrupt, &sent);
        bytes_sent_.fetch_add(error ? sent : piece.size(), std::memory_order_relaxed);
        if (error) {
            torn_ = torn_ || at + sent != 0;
            return error;
        }
    }
    return {};
}

}  // namespace multifd
