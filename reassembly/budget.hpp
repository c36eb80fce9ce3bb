// The memory that packets waiting for their device may take: a number of buffers and one more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace multifd {

/// The one reserved buffer that the over-limit token stands for; it has no index among the others.
inline constexpr std::uint32_t kOverLimitBuffer = std::numeric_limits<std::uint32_t>::max();

/// Counts whole buffers, whatever the size of the packets in them: that is what memory they take.
/// Limits:    `buffers` buffers and one over-limit token; nothing allocates after construction.
/// Threads:   not thread-safe; Reassembly calls it under the session's lock.
class Budget {
  public:
    Budget(std::size_t buffer_bytes, std::uint32_t buffers);

    [[nodiscard]] bool has_buffer() const noexcept { return !free_.empty(); }
    [[nodiscard]] bool has_token() const noexcept { return token_bytes_ == 0; }

    /// The index of a buffer that is now taken.
    std::uint32_t take_buffer();
    /// Takes the over-limit token for a packet of `packet_bytes`.
    void take_token(std::size_t packet_bytes);
    /// `buffer` is what take_buffer() returned, or kOverLimitBuffer.
    void give_back(std::uint32_t buffer);

    [[nodiscard]] std::size_t buffer_bytes() const noexcept { return buffer_bytes_; }
    [[nodiscard]] std::uint32_t buffers() const noexcept { return buffers_; }
    [[nodiscard]] std::uint32_t taken() const noexcept;
    [[nodiscard]] std::size_t queued_bytes() const noexcept;
    [[nodiscard]] std::size_t peak_queued_bytes() const noexcept { return peak_queued_bytes_; }

  private:
    void note_peak() noexcept;

    std::size_t buffer_bytes_;
    std::uint32_t buffers_;
    std::vector<std::uint32_t> free_;  ///< Last given back is first taken: it is still in caches.
    std::size_t token_bytes_ = 0;      ///< What the token's packet takes; 0: the token is here.
    std::size_t peak_queued_bytes_ = 0;
};

}  // namespace multifd
