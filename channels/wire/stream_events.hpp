// The vocabulary of the main channel: constants of its records, and the events they are read as.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "channels/wire/limits.hpp"

namespace multifd {

inline constexpr std::uint32_t kStreamVersion = 3;
inline constexpr std::uint32_t kDeviceSectionVersion = 1;  ///< version_id of device and host heads.

enum class SectionType : std::uint8_t { start = 1, part = 2, end = 3, full = 4 };

/// First bytes of the other records.
inline constexpr std::uint8_t kRecordEof = 0x00;
inline constexpr std::uint8_t kRecordVmDescription = 0x06;
inline constexpr std::uint8_t kRecordConfiguration = 0x07;
inline constexpr std::uint8_t kRecordCommand = 0x08;
inline constexpr std::uint8_t kRecordFooter = 0x7e;

/// QEMU's commands that a device migration uses.
inline constexpr std::uint16_t kCommandOpenReturnPath = 1;
inline constexpr std::uint16_t kCommandPing = 2;
inline constexpr std::uint16_t kCommandSwitchoverStart = 11;
/// The last one QEMU 10 knows; those of post-copy and COLO have no place here.
inline constexpr std::uint16_t kCommandQemuLast = 11;
/// Ours, only after a multifd destination's hello.
inline constexpr std::uint16_t kCommandHello = 0x4d01;
inline constexpr std::uint16_t kCommandCommit = 0x4d02;
inline constexpr std::uint16_t kCommandAbort = 0x4d03;
inline constexpr std::uint16_t kCommandVerify = 0x4d04;
/// Ours, when pre-copy data takes the channels. The first stands for SWITCHOVER_START, and says
/// where each device's pre-copy packets end; the second asks what of them has been loaded.
inline constexpr std::uint16_t kCommandSwitchoverAt = 0x4d05;
inline constexpr std::uint16_t kCommandPreCopyQuery = 0x4d06;

/// The PING that asks "are you multifd?": HELLO and PONG say yes, PONG alone is QEMU.
inline constexpr std::uint32_t kHelloPing = 0x4d464431;

/// Inside a device section.
inline constexpr std::uint64_t kTokenEndOfState = 0xffffffffef100001;
inline constexpr std::uint64_t kTokenConfigState = 0xffffffffef100002;
inline constexpr std::uint64_t kTokenSetupState = 0xffffffffef100003;
inline constexpr std::uint64_t kTokenDataState = 0xffffffffef100004;
inline constexpr std::uint64_t kTokenInitDataSent = 0xffffffffef100005;
/// Ours: a config state with its size in front, u64 size and that many bytes.
inline constexpr std::uint64_t kTokenSizedConfig = 0xffffffff4d464401;
/// Ours: stands for INIT_DATA_SENT when the data takes the channels; u32 idx of the first packet
/// behind it.
inline constexpr std::uint64_t kTokenInitDataBelow = 0xffffffff4d464402;

enum class SectionKind {
    device,   ///< Of a device that migrates here.
    host,     ///< Of the embedding program.
    ram,      ///< QEMU's RAM: delimits itself.
    foreign,  ///< Anything else: its length is written only in VMDESCRIPTION, after EOF.
};

struct StreamHeader {};

struct Configuration {
    std::string_view machine;
};

struct Command {
    std::uint16_t id = 0;
    std::span<const std::byte> data;
};

/// The head of a section. PART and END, which carry only the id, are filled from their START.
struct SectionBegin {
    SectionType type = SectionType::start;
    std::uint32_t section_id = 0;
    SectionKind kind = SectionKind::foreign;
    std::string_view idstr;
    std::uint32_t instance_id = 0;
    std::uint32_t version_id = 0;
};

enum class DeviceMark { setup, end_of_state, init_data_sent };

struct DeviceMarkSeen {
    DeviceMark mark = DeviceMark::end_of_state;
};

/// All initial data is in the packets below this idx.
struct InitDataBelow {
    std::uint32_t idx = 0;
};

/// RAW: the next `bytes` input bytes are not for the parser. The caller consumes them itself, then
/// feeds what follows.
struct DeviceData {
    std::uint64_t bytes = 0;
};

/// A config state as QEMU writes it, whole, without its tokens; END_OF_STATE is part of it and is
/// not reported again.
struct ConfigState {
    std::span<const std::byte> bytes;
};

/// RAW as DeviceData: a config state in our sized form. DeviceMark::end_of_state follows.
struct SizedConfig {
    std::uint32_t bytes = 0;
};

/// The footer was there and named this section.
struct SectionEnd {
    std::uint32_t section_id = 0;
};

struct StreamEof {};

/// RAW as DeviceData: `bytes` of JSON.
struct VmDescription {
    std::uint32_t bytes = 0;
};

enum class RamRecordKind { memory_size, block, zero_page, page, multifd_flush, end };

/// One record inside a ram section, consumed whole; only recordings show them.
struct RamRecord {
    RamRecordKind kind = RamRecordKind::end;
    std::uint64_t offset = 0;  ///< Of a page in its block; for memory_size the sum of all blocks.
    std::string_view block;    ///< Empty when the record continues the block before it.
    std::uint64_t bytes = 0;   ///< A block's length, or the bytes a page took on the wire.
};

/// A section whose body only its owner can read. Only recordings show it: the caller skips the
/// body, then feeds the footer.
struct ForeignSection {
    SectionBegin begin;
};

using StreamEvent = std::variant<StreamHeader, Configuration, Command, SectionBegin, DeviceMarkSeen,
                                 InitDataBelow, DeviceData, ConfigState, SizedConfig, SectionEnd,
                                 StreamEof, VmDescription, RamRecord, ForeignSection>;

}  // namespace multifd
