// Reads recordings of whole connections: main streams with QEMU's own sections, channels, messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "channels/wire/channel_init.hpp"
#include "channels/wire/device_state_packet.hpp"
#include "channels/wire/error.hpp"
#include "channels/wire/migration_stream.hpp"
#include "channels/wire/ram_packet.hpp"
#include "channels/wire/return_path.hpp"
#include "channels/wire/stream_events.hpp"

namespace multifd {

enum class RecordingKind { main_channel, channel, control, return_path };

/// What one direction of one connection is, by its first bytes. Bytes from the destination on a
/// control connection have no init: they are `control` when their first message is.
/// Errors:    recording_unreadable (nothing begins like this).
Result<RecordingKind> classify_recording(std::span<const std::byte> recording) noexcept;

/// Body lengths of the sections that do not delimit themselves, in the order of the stream. Only
/// the JSON of VMDESCRIPTION, at the end of a main stream, has them.
class VmDescriptionLengths {
  public:
    /// Of a recording without VMDESCRIPTION: empty.
    /// Errors:    recording_unreadable.
    static Result<VmDescriptionLengths> find(std::span<const std::byte> recording);

    /// The length of the next section, which must bear this name: absent when it does not. Sections
    /// that nobody asks for are passed over.
    std::optional<std::size_t> take(std::string_view idstr, std::uint32_t instance_id);

  private:
    struct Entry {
        std::string idstr;
        std::uint32_t instance_id = 0;
        std::size_t bytes = 0;
    };
    std::vector<Entry> entries_;
    std::size_t next_ = 0;
};

struct RecordedEvent {
    std::size_t offset = 0;  ///< Of its first byte in the recording.
    std::size_t bytes = 0;   ///< `raw` included.
    StreamEvent event;
    /// What the event announces: data, sized config state, JSON; the body of a foreign section.
    std::span<const std::byte> raw;
};

/// Reads a recorded main stream event by event. Which sections are devices' and hosts' it sees by
/// their tokens: a recording does not come with its machine.
/// Ownership: `recording` outlives the reader; events view both and are valid until the next.
/// Errors:    the parser's; stream_truncated; recording_unreadable (a section that does not delimit
///            itself, and no VMDESCRIPTION that has its length). offset() is then where.
class MainStreamReader {
  public:
    explicit MainStreamReader(std::span<const std::byte> recording);
    MainStreamReader(const MainStreamReader&) = delete;
    MainStreamReader& operator=(const MainStreamReader&) = delete;

    /// Empty at the end of the recording, between records.
    Result<std::optional<RecordedEvent>> next();

    [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
    /// The section of the last event; see StreamParser.
    [[nodiscard]] const SectionBegin& section() const noexcept { return parser_.section(); }

  private:
    class ContentClassifier final : public SectionClassifier {
      public:
        [[nodiscard]] SectionKind kind_of(std::string_view idstr,
                                          std::uint32_t instance_id) const noexcept override;
        std::span<const std::byte> head;  ///< The recording from the section's first byte.
    };

    Result<std::span<const std::byte>> raw_of(const StreamEvent& event, std::size_t at);
    Result<std::size_t> foreign_bytes(const SectionBegin& begin, std::size_t at);

    std::span<const std::byte> recording_;
    std::size_t offset_ = 0;
    ContentClassifier classifier_;
    StreamParser parser_;
    std::optional<VmDescriptionLengths> lengths_;  ///< Found when first needed.
};

struct ChannelEnd {};

struct RecordedPacket {
    std::size_t offset = 0;
    std::size_t bytes = 0;  ///< Header and payload.
    std::variant<DeviceStateHeader, RamPacket, ChannelEnd> header;
    /// A device-state packet's data, as encoded; a RAM packet's pages.
    std::span<const std::byte> payload;
};

/// Reads a recorded channel packet by packet.
/// Errors:    those of the decoders; channel_closed_early; packet_unexpected (after the end mark).
class ChannelReader {
  public:
    explicit ChannelReader(std::span<const std::byte> recording) : recording_(recording) {}

    /// The first 64 bytes; called once, first.
    Result<ChannelInit> init();
    /// Empty at the end of the recording, between packets.
    Result<std::optional<RecordedPacket>> next();

    [[nodiscard]] std::size_t offset() const noexcept { return offset_; }

  private:
    Result<RecordedPacket> read_packet(std::span<const std::byte> rest) const;

    std::span<const std::byte> recording_;
    std::size_t offset_ = 0;
    bool ended_ = false;
};

struct RecordedMessage {
    std::size_t offset = 0;
    std::size_t bytes = 0;
    Message message;
};

/// Reads recorded messages: a return path, or a control connection after its init.
/// Errors:    those of the decoders; stream_truncated.
class MessageReader {
  public:
    MessageReader(std::span<const std::byte> recording, RecordingKind kind, std::size_t offset = 0)
        : recording_(recording), kind_(kind), offset_(offset) {}

    /// Empty at the end of the recording, between messages.
    Result<std::optional<RecordedMessage>> next();

    [[nodiscard]] std::size_t offset() const noexcept { return offset_; }

  private:
    std::span<const std::byte> recording_;
    RecordingKind kind_;
    std::size_t offset_;
};

}  // namespace multifd
