// Inspection: what a recorded migration holds, and what is wrong with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "channels/wire/device_state_packet.hpp"
#include "channels/wire/ids.hpp"

namespace multifd {

/// One file of a recording; the bytes outlive every inspection of it.
struct RecordedFile {
    std::string name;
    std::span<const std::byte> bytes;
};

/// One named value of a record: "idx" 7.
struct RecordField {
    std::string_view name;
    std::variant<bool, std::uint64_t, std::string> value;
};

/// One packet, section, command or message, as it stands in its file.
struct InspectedRecord {
    std::string_view kind;  ///< "device-state", "START", "COMMAND", "PONG", ...
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::vector<RecordField> fields;
};

enum class Severity {
    information,  ///< As may be in a good migration.
    warning,      ///< The migration may not have ended well.
    error,        ///< No destination can load this.
};
std::string_view to_string(Severity severity) noexcept;

struct Finding {
    Severity severity = Severity::error;
    std::string code;  ///< An Errc's name where one fits.
    std::string file;  ///< Empty when it concerns no single file.
    std::optional<std::uint64_t> offset;
    std::optional<DeviceIdentity> device;
    std::string message;
};

struct StatePacket {
    std::uint32_t idx = 0;
    bool config = false;
    bool pre_copy = false;
    std::span<const std::byte> data;  ///< As it stands there; a config packet's with its tokens.
    PacketEncoding encoding = PacketEncoding::raw;
    std::uint32_t state_bytes = 0;  ///< What the data stand for.
    bool damaged = false;           ///< They cannot be unpacked; a finding says why.
};

struct InspectedDevice {
    std::vector<StatePacket> packets;                    ///< As recorded, channel by channel.
    std::vector<std::span<const std::byte>> pre_copy;    ///< From PART sections.
    std::vector<std::span<const std::byte>> main_state;  ///< From the END section.
    std::optional<std::span<const std::byte>> main_config;
    bool ended = false;  ///< Its END section was there.
};

struct InspectedChannel {
    std::string file;
    std::uint32_t id = 0;
    SessionId session;
    std::uint64_t device_packets = 0;
    std::uint64_t ram_packets = 0;
    std::uint64_t bytes = 0;
};

/// What one pass over the files has found.
struct Inspection {
    std::map<DeviceIdentity, InspectedDevice> devices;
    std::vector<InspectedChannel> channels;
    std::vector<Finding> findings;

    [[nodiscard]] bool has_errors() const noexcept;
};

/// Sees every record of every file, in the order of the files.
class RecordVisitor {
  public:
    RecordVisitor() = default;
    RecordVisitor(const RecordVisitor&) = delete;
    RecordVisitor& operator=(const RecordVisitor&) = delete;
    virtual ~RecordVisitor() = default;

    virtual void begin_file(const RecordedFile& file, std::string_view kind) = 0;
    virtual void record(const InspectedRecord& record) = 0;
    virtual void end_file() = 0;
};

/// Reads all files, each to its end or to the first bytes that make no sense, and compares what
/// they hold. The result views the files' bytes.
Inspection inspect_recording(const std::vector<RecordedFile>& files, RecordVisitor& visitor);

/// A device's packets by idx, each idx once, the config state left out; and whether none is missing
/// below the highest, or damaged. Pre-copy packets stand apart.
struct OrderedState {
    std::vector<const StatePacket*> pre_copy;
    std::vector<const StatePacket*> buffers;
    const StatePacket* config = nullptr;
    bool complete = true;
    // Of the packets, and of the device's pieces on the main channel.
    std::uint64_t pre_copy_bytes = 0;
    std::uint64_t state_bytes = 0;
};
OrderedState order_state(const InspectedDevice& device);

/// The device's config state without its tokens, whichever way it came; empty when it did not, or
/// lacks them.
std::optional<std::span<const std::byte>> config_of(const InspectedDevice& device);

}  // namespace multifd
