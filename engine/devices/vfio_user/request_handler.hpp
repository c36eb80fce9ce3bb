// RequestHandler: what a vfio-user server answers to each message of one client. Sans-I/O.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/devices/vfio_user/config_space.hpp"
#include "engine/devices/vfio_user/interface.hpp"
#include "engine/devices/vfio_user/message.hpp"
#include "engine/devices/vfio_user/migration_region.hpp"
#include "engine/devices/vfio_user/served_device.hpp"
#include "multifd/log.hpp"

namespace multifd::vfio_user {

/// Answers one client, message by message; the first must be VERSION.
///
/// Migration, config space, information and reset do what they say. DMA regions and interrupts are
/// acknowledged and not used: the device moves no data and has no interrupts. What is not known is
/// refused with an error reply.
///
/// Ownership: device and config space outlive this object, and this object is one connection's.
/// Threads:   one at a time.
/// Errors:    every failure becomes an error reply; nothing here throws.
class RequestHandler {
  public:
    struct Answer {
        Bytes reply;         ///< Empty when none is wanted.
        bool close = false;  ///< The client can no longer be understood, or must not go on.
    };
    /// Called with what an operator may want to know; must not throw.
    using Log = std::function<void(LogLevel, const std::string&)>;

    RequestHandler(ServedDevice& device, ConfigSpace& config, Interface interface, Log log);

    /// The answer to a header with which no message can be read; empty when one can be.
    [[nodiscard]] std::optional<Answer> refuse(const Header& header) const;
    /// The answer to a whole message.
    [[nodiscard]] Answer handle(const Header& header, ConstBytes payload) noexcept;

  private:
    /// A reply's payload, or why there is none.
    using Outcome = Decoded<Bytes>;

    Outcome negotiate(ConstBytes payload);
    Outcome answer(const Header& header, ConstBytes payload);
    Outcome device_info(ConstBytes payload) const;
    Outcome region_info(ConstBytes payload) const;
    Outcome irq_info(ConstBytes payload) const;
    Outcome read_region(ConstBytes payload);
    Outcome write_region(ConstBytes payload);
    Outcome feature(ConstBytes payload);
    Outcome get_feature(const FeatureMessage& message);
    Outcome set_state(const FeatureMessage& message);
    Outcome read_data(ConstBytes payload);
    Outcome write_data(ConstBytes payload);
    Outcome reset();

    [[nodiscard]] std::uint64_t region_bytes(std::uint32_t index) const noexcept;

    ServedDevice& device_;
    ConfigSpace& config_;
    const Interface interface_;
    const Log log_;
    MigrationRegion region_;
    std::size_t transfer_bytes_ = 0;  ///< As negotiated; 0 before.
};

}  // namespace multifd::vfio_user
