// Failure: the first cause of a migration's end, and where it happened.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "channels/wire/error.hpp"
#include "channels/wire/ids.hpp"
#include "channels/wire/message_bodies.hpp"
#include "multifd/report.hpp"

namespace multifd {

/// One failure with its place. `detail` is one line: what was wrong and what to do.
struct Failure {
    ErrorCode code{};
    std::string detail{};
    std::optional<DeviceIdentity> device{};
    std::optional<std::uint32_t> idx{};
    std::optional<ChannelId> channel{};
    std::string phase{};        ///< Filled by the session when left empty.
    bool told_by_peer = false;  ///< The peer sent it; `device` and the rest are as it sees them.
};

/// "device gpu0: idx 7: channel 2: an idx is missing ...": one line for people.
std::string explain(const Failure& failure);
/// The same behind its code: "idx_gap: device gpu0: ...".
std::string describe(const Failure& failure);
std::string describe(const ErrorReport& error);

/// For the report; `peer` is the address of the other end.
ErrorReport to_report(const Failure& failure, const std::string& peer);

/// What the peer is told of a failure here, and the other way round: cancelled becomes
/// cancelled_by_peer, everything else peer_failed with the peer's own code in its text.
PeerError to_peer_error(const Failure& failure);
Failure failure_of(const PeerError& error);
/// The body of an ABORT, which may be empty or damaged.
Failure failure_of_abort(std::span<const std::byte> body);

/// A caught exception as a Failure: bad_alloc, InternalError, anything.
Failure failure_of(const std::exception_ptr& exception);

/// Keeps the first failure; later ones are consequences and are dropped. A connection that broke is
/// only a symptom: the first failure with another cause replaces it until settle() is called.
/// Threads:   all members from any thread.
class FirstFailure {
  public:
    /// True when `failure` is now the cause.
    bool set(Failure failure);
    [[nodiscard]] bool failed() const noexcept { return failed_.load(std::memory_order_acquire); }
    [[nodiscard]] std::optional<Failure> get() const;
    /// No symptom is replaced from here on.
    void settle();

  private:
    mutable std::mutex mutex_;
    std::optional<Failure> failure_;
    bool settled_ = false;
    std::atomic<bool> failed_ = false;  // Publishes that failure_ holds a value.
};

/// Whether the code only says that a connection ended, which a peer's death or word explains
/// better.
bool is_symptom(const ErrorCode& code) noexcept;

}  // namespace multifd
