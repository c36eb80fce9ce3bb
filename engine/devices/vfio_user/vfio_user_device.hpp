// The vfio-user device: a device behind a vfio-user server, driven as a VMM would.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "engine/devices/option_reader.hpp"
#include "engine/devices/vfio_user/server_connection.hpp"
#include "engine/packets/transfer_digest.hpp"
#include "multifd/device.hpp"

namespace multifd::vfio_user {

/// What `--device vfio-user,KEY=VALUE,...` may say besides the common keys.
///
///     socket=PATH        the server's UNIX socket; required
///     write-chunk=SIZE   the most that one MIG_DATA_WRITE carries, 1 to 1MiB; default 32KiB,
///                        because servers of libvfio-user lose larger writes
///     config=on|off      whether the config state has the PCI config space; the same at both ends;
///                        default on
struct DeviceOptions {
    std::string socket;
    std::size_t write_chunk = 32768;
    bool config = true;
};

/// The keys above, without the common ones.
[[nodiscard]] std::span<const std::string_view> device_keys() noexcept;

/// Reads them from a description that has only device_keys(); throws UsageError.
[[nodiscard]] DeviceOptions read_device_options(const OptionReader& reader);

/// Migration through DEVICE_FEATURE, MIG_DATA_READ and MIG_DATA_WRITE. A server accepts a state
/// that was cut short without a word, so the config state carries number and digest of the state's
/// bytes, and RESUMING to STOP fails here, before the server is asked, when they are not those that
/// were written.
///
/// Config state, big-endian:
///
///     0  u32 magic 0x4d465543   4  u32 version 1   8  u64 bytes of state   16  u64 XXH3-64 of them
///    24  u32 size of what follows, 0 with config=off   28  zeros   32  as pci_config_state.hpp
///
/// While a look ahead finds data, pre-copy has left what STOP_COPY would give; of a server that
/// cannot tell, kUnknownLeft. So pre-copy of such a device goes on until a read finds nothing.
///
/// Threads:   as Device.
/// Errors:    as Device; what a server refuses has its errno. A server that has gone leaves the
///            device in ERROR, and reset() connects anew.
class VfioUserDevice final : public Device {
  public:
    /// More than any downtime takes.
    static constexpr std::uint64_t kUnknownLeft = std::uint64_t{1} << 50U;

    /// Connects; what cannot be done without one is said by open().
    explicit VfioUserDevice(DeviceOptions options);

    /// Connects and asks what the device can do; before anything else.
    CallResult open();

    [[nodiscard]] DeviceTraits traits() const noexcept override;
    [[nodiscard]] DeviceState state() override;
    CallResult set_state(DeviceState target) override;
    CallResult read(std::span<std::byte> target) override;
    CallResult write(std::span<const std::byte> source) override;
    CallResult save_config(std::vector<std::byte>& target) override;
    CallResult load_config(std::span<const std::byte> source) override;
    CallResult pre_copy_sizes(PreCopySizes& target) override;
    CallResult stop_copy_size() override;
    CallResult reset() override;
    void interrupt() noexcept override { interrupt_.raise(); }

  private:
    using Patience = ServerConnection::Patience;
    enum class Transfer { none, saving, resuming };

    CallResult examine(const Patience& patience);
    CallResult find_config_space(const Patience& patience);
    CallResult ensure_open(const Patience& patience);
    CallResult ask_state(DeviceState& target, const Patience& patience);
    CallResult ask_for(DeviceState target, const Patience& patience);
    CallResult get_feature(Feature feature, std::span<std::byte> data, const Patience& patience);
    CallResult read_from_server(std::span<std::byte> target);
    CallResult write_piece(ConstBytes piece);
    CallResult look_ahead();
    CallResult settle_transfer();
    [[nodiscard]] static CallResult bad_config(std::string what);
    CallResult read_config_space(std::span<std::byte> target, const Patience& patience);
    CallResult restore_config_space(ConstBytes saved);
    CallResult write_config_space(std::uint64_t offset, ConstBytes source);
    CallResult reset_server(const Patience& patience);
    void begin(Transfer transfer);
    [[nodiscard]] CallResult require(Transfer transfer, const char* call) const;
    [[nodiscard]] CallResult complete() const;
    [[nodiscard]] Patience as_asked() const noexcept { return {kNoDeadline, &interrupt_}; }

    const DeviceOptions options_;
    ServerConnection connection_;
    Interrupt interrupt_;
    // Constant after open().
    bool p2p_ = false;
    bool pre_copy_ = false;
    bool tells_size_ = false;       ///< Knows MIG_DATA_SIZE.
    std::size_t config_bytes_ = 0;  ///< Of the PCI config space; 0 with config=off.

    /// After a reset the connection is dropped, and made again when it is needed: until then the
    /// device is where the reset left it.
    std::optional<DeviceState> left_in_;

    // The transfer.
    Transfer transfer_ = Transfer::none;
    bool unsettled_ = false;  ///< A change of state failed: where the server is, is not known.
    bool torn_ = false;       ///< A read or write was interrupted: what it moved is not known.
    std::uint64_t bytes_ = 0;
    PiecewiseHash digest_;
    bool config_loaded_ = false;
    Bytes ahead_;  ///< Read to see whether there is more.
    std::size_t ahead_given_ = 0;
};

}  // namespace multifd::vfio_user
