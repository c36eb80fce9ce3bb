#include "channels/wire/recording.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "channels/wire/big_endian.hpp"
#include "channels/wire/json_text.hpp"
#include "channels/wire/limits.hpp"

namespace multifd {
namespace {

using nlohmann::json;

constexpr std::size_t kVmDescriptionNestingMax = 64;
constexpr std::size_t kVmDescriptionHeadBytes = 5;
constexpr std::size_t kAnyPacketBytesMax = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kEncodedPacketBytesMax =
    limits::kPacketDataBytesMax + limits::kStateHeaderBytes;
constexpr std::size_t kLengthMax = std::numeric_limits<std::size_t>::max() / 2;

/// The JSON of a VMDESCRIPTION that ends the recording: EOF, its type, and a length that is right.
std::string_view find_json(std::span<const std::byte> recording) {
    constexpr std::size_t kBefore = 1 + kVmDescriptionHeadBytes;
    if (recording.size() <= kBefore) return {};
    const std::size_t longest =
        std::min(recording.size() - kBefore, limits::kVmDescriptionBytesMax);
    for (std::size_t length = 1; length <= longest; ++length) {
        const std::size_t at = recording.size() - length;
        BigEndianReader reader(recording.subspan(at - kBefore, kBefore));
        if (reader.integer<std::uint8_t>() == kRecordEof &&
            reader.integer<std::uint8_t>() == kRecordVmDescription &&
            reader.integer<std::uint32_t>() == length &&
            recording[at] == static_cast<std::byte>('{')) {
            return text_of(recording.subspan(at));
        }
    }
    return {};
}

std::optional<std::size_t> size_at(const json& object, const char* key, std::size_t otherwise) {
    const auto found = object.find(key);
    if (found == object.end()) return otherwise;
    if (!found->is_number_unsigned() || found->get<std::uint64_t>() > kLengthMax) {
        return std::nullopt;
    }
    return found->get<std::size_t>();
}

bool add(std::size_t& sum, std::size_t size, std::size_t count) {
    if (count != 0 && size > (kLengthMax - sum) / count) return false;
    sum += size * count;
    return true;
}

/// A vmstate's bytes: its fields, and the subsections it happens to have, each of which is
/// u8 5, u8 length, name, u32 version, its own vmstate. The recursion is bounded by
/// kVmDescriptionNestingMax.
std::optional<std::size_t> vmstate_bytes(const json& description) {
    std::size_t sum = 0;
    if (const auto fields = description.find("fields"); fields != description.end()) {
        for (const json& field : *fields) {
            if (!field.is_object()) return std::nullopt;
            const auto size = size_at(field, "size", 0);
            const auto count = size_at(field, "array_len", 1);
            if (!size || !count || !add(sum, *size, *count)) return std::nullopt;
        }
    }
    if (const auto nested = description.find("subsections"); nested != description.end()) {
        for (const json& subsection : *nested) {
            if (!subsection.is_object()) return std::nullopt;
            const auto name = subsection.find("vmsd_name");
            if (name == subsection.end() || !name->is_string()) return std::nullopt;
            const auto bytes = vmstate_bytes(subsection);
            const std::size_t head = 6 + name->get_ref<const std::string&>().size();
            if (!bytes || !add(sum, head, 1) || !add(sum, *bytes, 1)) return std::nullopt;
        }
    }
    return sum;
}

}  // namespace

Result<RecordingKind> classify_recording(std::span<const std::byte> recording) noexcept {
    if (recording.size() >= 4) {
        const auto kind = classify(recording.first<4>());
        if (kind) {
            switch (*kind) {
                case ConnectionKind::main_channel:
                    return RecordingKind::main_channel;
                case ConnectionKind::channel:
                    return RecordingKind::channel;
                case ConnectionKind::control:
                    return RecordingKind::control;
            }
        }
        if (parse_return_path(recording)) return RecordingKind::return_path;
        if (parse_control(recording)) return RecordingKind::control;
    }
    return make_error_code(Errc::recording_unreadable);
}

Result<VmDescriptionLengths> VmDescriptionLengths::find(std::span<const std::byte> recording) {
    VmDescriptionLengths lengths;
    const std::string_view text = find_json(recording);
    if (text.empty()) return lengths;
    const auto unreadable = make_error_code(Errc::recording_unreadable);
    if (!json_nesting_within(text, kVmDescriptionNestingMax)) return unreadable;
    const json description = json::parse(text, nullptr, false);
    if (!description.is_object()) return unreadable;
    const auto devices = description.find("devices");
    if (devices == description.end() || !devices->is_array()) return unreadable;
    for (const json& device : *devices) {
        if (!device.is_object()) return unreadable;
        const auto name = device.find("name");
        const auto instance_id = size_at(device, "instance_id", 0);
        const auto bytes =
            device.contains("vmsd_name") ? vmstate_bytes(device) : size_at(device, "size", 0);
        if (name == device.end() || !name->is_string() || !instance_id || !bytes) return unreadable;
        lengths.entries_.push_back({.idstr = name->get<std::string>(),
                                    .instance_id = static_cast<std::uint32_t>(*instance_id),
                                    .bytes = *bytes});
    }
    return lengths;
}

std::optional<std::size_t> VmDescriptionLengths::take(std::string_view idstr,
                                                      std::uint32_t instance_id) {
    for (std::size_t i = next_; i < entries_.size(); ++i) {
        if (entries_[i].idstr != idstr || entries_[i].instance_id != instance_id) continue;
        next_ = i + 1;
        return entries_[i].bytes;
    }
    return std::nullopt;
}

SectionKind MainStreamReader::ContentClassifier::kind_of(
    std::string_view idstr, std::uint32_t /*instance_id*/) const noexcept {
    if (idstr == "ram") return SectionKind::ram;
    // The head: u8 type, u32 section id, u8 length, idstr, u32 instance, u32 version.
    BigEndianReader reader(head);
    reader.take(14 + idstr.size());
    const auto token = reader.integer<std::uint64_t>();
    if (!reader.ok()) return SectionKind::foreign;
    // Only a host section begins with data: a device's begins with SETUP_STATE.
    if (token == kTokenDataState) return SectionKind::host;
    const bool device = token == kTokenSetupState || token == kTokenEndOfState ||
                        token == kTokenConfigState || token == kTokenSizedConfig;
    return device ? SectionKind::device : SectionKind::foreign;
}

MainStreamReader::MainStreamReader(std::span<const std::byte> recording)
    : recording_(recording), parser_(classifier_, {.extensions = true, .recording = true}) {}

Result<std::optional<RecordedEvent>> MainStreamReader::next() {
    const auto rest = recording_.subspan(offset_);
    if (rest.empty() && parser_.at_record_boundary()) return std::nullopt;
    classifier_.head = rest;
    auto parsed = parser_.parse(rest.first(std::min(rest.size(), kVisibleBytesMax)));
    if (!parsed) return parsed.error();
    if (!parsed->event) return make_error_code(Errc::stream_truncated);
    const auto raw = raw_of(*parsed->event, offset_ + parsed->consumed);
    if (!raw) return raw.error();
    const RecordedEvent event{offset_, parsed->consumed + raw->size(), *parsed->event, *raw};
    offset_ += event.bytes;
    return event;
}

Result<std::span<const std::byte>> MainStreamReader::raw_of(const StreamEvent& event,
                                                            std::size_t at) {
    std::uint64_t bytes = 0;
    if (const auto* data = std::get_if<DeviceData>(&event)) bytes = data->bytes;
    if (const auto* config = std::get_if<SizedConfig>(&event)) bytes = config->bytes;
    if (const auto* description = std::get_if<VmDescription>(&event)) bytes = description->bytes;
    if (const auto* foreign = std::get_if<ForeignSection>(&event)) {
        const auto length = foreign_bytes(foreign->begin, at);
        if (!length) return length.error();
        bytes = *length;
    }
    if (bytes > recording_.size() - at) return make_error_code(Errc::stream_truncated);
    return recording_.subspan(at, static_cast<std::size_t>(bytes));
}

Result<std::size_t> MainStreamReader::foreign_bytes(const SectionBegin& begin, std::size_t at) {
    // Cut before its first token, any section looks foreign.
    if (recording_.size() - at < limits::kConfigTokenBytes) {
        return make_error_code(Errc::stream_truncated);
    }
    if (!lengths_) {
        auto found = VmDescriptionLengths::find(recording_);
        if (!found) return found.error();
        lengths_ = *std::move(found);
    }
    const auto length = begin.type == SectionType::full
                            ? lengths_->take(begin.idstr, begin.instance_id)
                            : std::nullopt;
    if (!length) return make_error_code(Errc::recording_unreadable);
    return *length;
}

Result<ChannelInit> ChannelReader::init() {
    if (recording_.size() < kChannelInitBytes) return make_error_code(Errc::channel_closed_early);
    auto init = decode_channel_init(recording_.first<kChannelInitBytes>());
    if (init) offset_ = kChannelInitBytes;
    return init;
}

Result<std::optional<RecordedPacket>> ChannelReader::next() {
    const auto rest = recording_.subspan(offset_);
    if (rest.empty()) return std::nullopt;
    if (ended_) return make_error_code(Errc::packet_unexpected);
    auto packet = read_packet(rest);
    if (!packet) return packet.error();
    ended_ = std::holds_alternative<ChannelEnd>(packet->header);
    packet->offset = offset_;
    offset_ += packet->bytes;
    return *packet;
}

Result<RecordedPacket> ChannelReader::read_packet(std::span<const std::byte> rest) const {
    const auto early = make_error_code(Errc::channel_closed_early);
    RecordedPacket packet;
    std::size_t head_bytes = kPacketPrefixBytes;
    std::size_t payload_bytes = 0;
    if (rest.size() < head_bytes) return early;
    const auto prefix = decode_packet_prefix(rest.first<kPacketPrefixBytes>(), kEveryEncoding);
    if (!prefix) return prefix.error();
    switch (prefix->kind) {
        case PacketKind::device_state: {
            head_bytes = prologue_bytes(prefix->encoding);
            if (rest.size() < head_bytes) return early;
            const auto header = prefix->encoding == PacketEncoding::raw
                                    ? decode_device_state(rest.first<kDeviceStatePrologueBytes>(),
                                                          kAnyPacketBytesMax)
                                    // What they stand for is unpacked into memory one day.
                                    : decode_encoded_state(rest.first<kEncodedPrologueBytes>(),
                                                           kEveryEncoding, kEncodedPacketBytesMax);
            if (!header) return header.error();
            payload_bytes = header->data_bytes;
            packet.header = *header;
            break;
        }
        case PacketKind::ram: {
            head_bytes = kRamHeaderBytes;
            if (rest.size() < head_bytes) return early;
            const auto header = decode_ram_packet(rest.first<kRamHeaderBytes>());
            if (!header) return header.error();
            payload_bytes = header->next_packet_bytes;
            packet.header = *header;
            break;
        }
        case PacketKind::channel_end:
            packet.header = ChannelEnd{};
            break;
    }
    if (payload_bytes > rest.size() - head_bytes) return early;
    packet.payload = rest.subspan(head_bytes, payload_bytes);
    packet.bytes = head_bytes + payload_bytes;
    return packet;
}

Result<std::optional<RecordedMessage>> MessageReader::next() {
    const auto rest = recording_.subspan(std::min(offset_, recording_.size()));
    if (rest.empty()) return std::nullopt;
    const auto parsed =
        kind_ == RecordingKind::control ? parse_control(rest) : parse_return_path(rest);
    if (!parsed) return parsed.error();
    if (!parsed->message) return make_error_code(Errc::stream_truncated);
    const RecordedMessage message{offset_, parsed->consumed, *parsed->message};
    offset_ += parsed->consumed;
    return message;
}

}  // namespace multifd
