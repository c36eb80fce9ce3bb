// MainChannelReader: the main channel's bytes as events, and its raw data straight to where it
// goes.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "channels/transport/connection.hpp"
#include "channels/wire/migration_stream.hpp"

namespace multifd {

/// Reads a connection through a StreamParser.
/// Limits:    buffers what the parser needs to see at once, at most kVisibleBytesMax and a little.
/// Ownership: everything given outlives the reader; views in an event hold until the next call.
/// Threads:   one at a time.
/// Errors:    the parser's; peer_closed between records, stream_truncated inside one; the system's;
///            cancelled, phase_timeout.
class MainChannelReader {
  public:
    MainChannelReader(Connection& connection, const SectionClassifier& classifier,
                      ParserOptions options, const Interrupt& interrupt);

    Result<StreamEvent> next(Deadline deadline = kNoDeadline);
    /// The interrupt ends no wait any more: for a last word that is still to be heard.
    void disregard_interrupt() noexcept { interrupt_ = nullptr; }
    /// The RAW bytes that the last event announced, piece by piece.
    Result<> read_raw(std::span<std::byte> target);
    Result<> skip_raw(std::uint64_t bytes);
    [[nodiscard]] const StreamParser& parser() const noexcept { return parser_; }
    /// Grows with every byte that arrives.
    [[nodiscard]] std::uint64_t bytes_read() const noexcept {
        return bytes_read_.load(std::memory_order_relaxed);
    }

  private:
    Result<> receive_more(std::size_t needed, Deadline deadline);

    Connection& connection_;
    const Interrupt* interrupt_;
    StreamParser parser_;
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::atomic<std::uint64_t> bytes_read_ = 0;  // Publishes nothing but itself.
};

}  // namespace multifd
