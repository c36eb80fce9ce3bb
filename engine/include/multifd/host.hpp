// Host: the program that embeds the engine (a VMM), as the engine sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stop_token>
#include <string_view>

#include "multifd/device.hpp"

namespace multifd {

/// When the host may write sections of its own.
enum class SavePoint {
    setup,     ///< Once, after the devices' setup.
    iterate,   ///< In each round of pre-copy; the guest runs.
    complete,  ///< Once, after pause() and the devices' stop: the rest, nothing changes any more.
};

/// Where the host puts its sections. Valid only during Host::save().
class SectionWriter {
  public:
    virtual ~SectionWriter() = default;
    /// Sends one section named `name` (1 to 255 bytes, no device's idstr) with `bytes` (at most 1
    /// MiB; call again for more). Sections arrive complete and in the order written. Fails when the
    /// migration has.
    virtual CallResult write(std::string_view name, std::span<const std::byte> bytes) = 0;
};

/// The steps at which the engine asks its host, and the host's own sections. Every default agrees.
///
/// Threads:   calls come from one engine thread, one at a time, never from the caller of run().
/// Blocking:  before_switchover() may wait as long as it likes; the others are bound by the stall
///            timeout. `cancel` is requested when the migration fails or is cancelled: return soon.
/// Errors:    a failed CallResult or an exception fails the migration at that step.
class Host {
  public:
    virtual ~Host() = default;

    // On the source.
    virtual CallResult before_switchover(std::stop_token cancel);  ///< Status pre-switchover.
    virtual CallResult pause(
        std::stop_token cancel);  ///< All devices in P2P, none stopped: stop the guest.
    virtual CallResult about_to_commit(std::stop_token cancel);  ///< The last moment to refuse.
    virtual CallResult resume(
        std::stop_token cancel);  ///< After pause(), when the migration failed: devices run again.
    virtual CallResult save(SavePoint point, SectionWriter& writer, std::stop_token cancel);
    /// What save(complete) would still write, for the prediction of the downtime. Bytes.
    virtual std::uint64_t pending_bytes();

    // On the destination.
    virtual CallResult load(std::string_view name, std::span<const std::byte> bytes,
                            std::stop_token cancel);
    virtual CallResult start(std::stop_token cancel);  ///< All devices run: start the guest.
};

}  // namespace multifd
