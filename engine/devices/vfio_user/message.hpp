// vfio-user messages: header, commands and payloads as bytes. Sans-I/O.
//
// Source: the vfio-user protocol specification (docs/vfio-user.rst of libvfio-user, version 0.9.2,
// where migration is that of VFIO v2), and <linux/vfio.h> for the structures it takes over. A
// message is a header and a payload; all integers are in the byte order of the host.
//
//    0  u16 message id   echoed by the reply        8  u32 flags   bits 0-3: 0 command, 1 reply;
//    2  u16 command                                                0x10 no reply; 0x20 error
//    4  u32 size         header included           12  u32 errno   of a reply with the error flag,
//   16  payload                                                    which is a header only
#pragma once

#include <array>
#include <boost/system/result.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include "engine/devices/vfio_user/native_endian.hpp"

namespace multifd::vfio_user {

inline constexpr std::size_t kHeaderBytes = 16;
/// What one transfer of data may carry when nothing else was negotiated, and what we offer.
inline constexpr std::size_t kTransferBytesDefault = std::size_t{1} << 20U;
/// Beside the data: no payload of ours has more around it.
inline constexpr std::size_t kPayloadOverheadBytes = 4096;
/// The largest message that either end of ours takes.
inline constexpr std::size_t kMessageBytesMax =
    kHeaderBytes + kPayloadOverheadBytes + kTransferBytesDefault;

enum class Command : std::uint16_t {
    version = 1,
    dma_map = 2,
    dma_unmap = 3,
    device_get_info = 4,
    device_get_region_info = 5,
    device_get_region_io_fds = 6,
    device_get_irq_info = 7,
    device_set_irqs = 8,
    region_read = 9,
    region_write = 10,
    dma_read = 11,   ///< Server to client; never sent by this server.
    dma_write = 12,  ///< Server to client; never sent by this server.
    device_reset = 13,
    region_write_multi = 15,
    device_feature = 16,
    mig_data_read = 17,
    mig_data_write = 18,
};

/// "MIG_DATA_READ"; "command 99" for what is none.
[[nodiscard]] std::string name_of(Command command);

/// Why a message cannot be taken: the errno of the error reply, and words.
struct Refusal {
    std::errc error = std::errc::invalid_argument;
    std::string what;
};

template <class T>
using Decoded = boost::system::result<T, Refusal>;

struct Header {
    static constexpr std::uint32_t kTypeMask = 0xf;
    static constexpr std::uint32_t kTypeCommand = 0;
    static constexpr std::uint32_t kTypeReply = 1;
    static constexpr std::uint32_t kNoReply = 0x10;
    static constexpr std::uint32_t kError = 0x20;

    std::uint16_t id = 0;
    Command command = Command::version;
    std::uint32_t size = kHeaderBytes;
    std::uint32_t flags = 0;
    std::uint32_t error = 0;

    [[nodiscard]] std::uint32_t type() const noexcept { return flags & kTypeMask; }
    [[nodiscard]] bool no_reply() const noexcept { return (flags & kNoReply) != 0; }
    [[nodiscard]] bool failed() const noexcept { return (flags & kError) != 0; }
    [[nodiscard]] std::size_t payload_bytes() const noexcept { return size - kHeaderBytes; }
    bool operator==(const Header&) const = default;
};

using HeaderBytes = std::array<std::byte, kHeaderBytes>;

[[nodiscard]] HeaderBytes encode(const Header& header) noexcept;
/// Any bytes are a header; whether it makes sense is what check() says.
[[nodiscard]] Header decode_header(const HeaderBytes& bytes) noexcept;
/// Empty when a message of this `type` with this header may be read: its size is at least the
/// header's and at most `bytes_max`. After a refusal the next message cannot be found any more.
[[nodiscard]] std::optional<Refusal> check(const Header& header, std::uint32_t type,
                                           std::size_t bytes_max);

/// A whole command; its size is filled in.
[[nodiscard]] Bytes make_command(std::uint16_t id, Command command, ConstBytes payload = {});
/// The reply to `command`.
[[nodiscard]] Bytes make_reply(const Header& command, ConstBytes payload = {});
/// The reply that says no: a header only.
[[nodiscard]] Bytes make_error_reply(const Header& command, std::errc error);

// DEVICE_FEATURE: u32 argsz (the most the reply's payload may have), u32 flags, data.

enum class Feature : std::uint16_t {
    migration = 1,         ///< u64 flags: MigrationFlags.
    mig_device_state = 2,  ///< u32 device_state, u32 data_fd, which is unused here.
    mig_data_size = 9,     ///< u64 stop_copy_length, as <linux/vfio.h> has it since 6.2.
};

struct MigrationFlags {
    static constexpr std::uint64_t kStopCopy = 1;
    static constexpr std::uint64_t kP2p = 2;
    static constexpr std::uint64_t kPreCopy = 4;
};

struct FeatureMessage {
    static constexpr std::size_t kHeadBytes = 8;
    static constexpr std::uint32_t kIndexMask = 0xffff;
    static constexpr std::uint32_t kGet = 0x10000;
    static constexpr std::uint32_t kSet = 0x20000;
    static constexpr std::uint32_t kProbe = 0x40000;

    std::uint32_t argsz = 0;
    std::uint32_t flags = 0;
    ConstBytes data{};  ///< A view of the payload that was decoded.

    [[nodiscard]] Feature feature() const noexcept {
        return static_cast<Feature>(flags & kIndexMask);
    }
    [[nodiscard]] bool get() const noexcept { return (flags & kGet) != 0; }
    [[nodiscard]] bool set() const noexcept { return (flags & kSet) != 0; }
    [[nodiscard]] bool probe() const noexcept { return (flags & kProbe) != 0; }
};

[[nodiscard]] Bytes encode(const FeatureMessage& message);
/// Refuses get and set at once (but for a probe), neither of them without a probe, and unknown
/// flags.
[[nodiscard]] Decoded<FeatureMessage> decode_feature(ConstBytes payload);

// MIG_DATA_READ and MIG_DATA_WRITE: u32 argsz, u32 size, data.

struct MigrationData {
    static constexpr std::size_t kHeadBytes = 8;

    std::uint32_t argsz = 0;
    std::uint32_t size = 0;
    ConstBytes data{};  ///< Of a write; a view of the payload that was decoded.
};

[[nodiscard]] Bytes encode(const MigrationData& message);
/// Refuses sizes over `transfer_max` and an argsz without room for the reply.
[[nodiscard]] Decoded<MigrationData> decode_data_read(ConstBytes payload, std::size_t transfer_max);
/// Refuses sizes over `transfer_max` and a size that is not that of the data.
[[nodiscard]] Decoded<MigrationData> decode_data_write(ConstBytes payload,
                                                       std::size_t transfer_max);

// REGION_READ and REGION_WRITE: u64 offset, u32 region, u32 count, data.

struct RegionAccess {
    static constexpr std::size_t kHeadBytes = 16;

    std::uint64_t offset = 0;
    std::uint32_t region = 0;
    std::uint32_t count = 0;
    ConstBytes data{};  ///< Of a write; a view of the payload that was decoded.
};

[[nodiscard]] Bytes encode(const RegionAccess& access);
[[nodiscard]] Decoded<RegionAccess> decode_region_read(ConstBytes payload,
                                                       std::size_t transfer_max);
[[nodiscard]] Decoded<RegionAccess> decode_region_write(ConstBytes payload,
                                                        std::size_t transfer_max);

// DEVICE_GET_INFO: struct vfio_device_info without capabilities.

struct DeviceInfo {
    static constexpr std::size_t kBytes = 16;
    static constexpr std::uint32_t kReset = 1;
    static constexpr std::uint32_t kPci = 2;

    std::uint32_t argsz = kBytes;
    std::uint32_t flags = 0;
    std::uint32_t num_regions = 0;
    std::uint32_t num_irqs = 0;
};

[[nodiscard]] Bytes encode(const DeviceInfo& info);
[[nodiscard]] Decoded<DeviceInfo> decode_device_info(ConstBytes payload);

// DEVICE_GET_REGION_INFO: struct vfio_region_info; capabilities may follow.

struct RegionInfo {
    static constexpr std::size_t kBytes = 32;
    static constexpr std::uint32_t kRead = 1;
    static constexpr std::uint32_t kWrite = 2;
    static constexpr std::uint32_t kCaps = 8;

    std::uint32_t argsz = kBytes;
    std::uint32_t flags = 0;
    std::uint32_t index = 0;
    std::uint32_t cap_offset = 0;
    std::uint64_t size = 0;
    std::uint64_t offset = 0;
};

[[nodiscard]] Bytes encode(const RegionInfo& info);
[[nodiscard]] Decoded<RegionInfo> decode_region_info(ConstBytes payload);

/// Regions of a PCI device by index, as <linux/vfio.h> numbers them.
inline constexpr std::uint32_t kConfigRegion = 7;
inline constexpr std::uint32_t kPciRegions = 9;
inline constexpr std::uint32_t kPciIrqs = 5;

}  // namespace multifd::vfio_user
