#include "channels/wire/migration_stream.hpp"

#include <algorithm>

#include "channels/wire/big_endian.hpp"
#include "channels/wire/channel_init.hpp"
#include "channels/wire/message_bodies.hpp"
#include "channels/wire/ram_section.hpp"

namespace multifd {
namespace {

bool asks_for_hello(std::span<const std::byte> ping) {
    return BigEndianReader(ping).integer<std::uint32_t>() == kHelloPing;
}

}  // namespace

StreamParser::StreamParser(const SectionClassifier& classifier, ParserOptions options)
    : classifier_(classifier), options_(options) {}

Result<> StreamParser::finish(std::size_t left) const noexcept {
    if (left == 0 && at_record_boundary()) return {};
    return make_error_code(Errc::stream_truncated);
}

Result<Parsed> StreamParser::parse(std::span<const std::byte> visible) {
    switch (state_) {
        case State::header:
            return parse_header(visible);
        case State::configuration:
            return parse_configuration(visible);
        case State::record:
            return parse_record(visible);
        case State::device:
            return parse_device(visible);
        case State::host_data:
        case State::host_end:
            return parse_host(visible);
        case State::ram:
            return parse_ram(visible);
        case State::footer:
            return parse_footer(visible);
    }
    return make_error_code(Errc::internal_error);
}

Result<Parsed> StreamParser::parse_header(std::span<const std::byte> visible) {
    BigEndianReader reader(visible);
    const auto magic = reader.integer<std::uint32_t>();
    if (reader.ok() && magic != kStreamMagic) return make_error_code(Errc::stream_magic_wrong);
    const auto version = reader.integer<std::uint32_t>();
    if (!reader.ok()) return need(2 * sizeof(std::uint32_t));
    if (version != kStreamVersion) return make_error_code(Errc::stream_version_wrong);
    state_ = State::configuration;
    return got(StreamHeader{}, reader.position());
}

Result<Parsed> StreamParser::parse_configuration(std::span<const std::byte> visible) {
    BigEndianReader reader(visible);
    const auto type = reader.integer<std::uint8_t>();
    if (reader.ok() && type != kRecordConfiguration) {
        return make_error_code(Errc::configuration_invalid);
    }
    const auto length = reader.integer<std::uint32_t>();
    if (reader.ok() && (length == 0 || length > limits::kMachineNameBytesMax)) {
        return make_error_code(Errc::configuration_invalid);
    }
    const auto machine = reader.take(length);
    if (!reader.ok()) return need(reader.needed());
    state_ = State::record;
    return got(Configuration{text_of(machine)}, reader.position());
}

Result<Parsed> StreamParser::parse_record(std::span<const std::byte> visible) {
    if (visible.empty()) return need(1);
    const auto type = std::to_integer<std::uint8_t>(visible.front());
    switch (type) {
        case kRecordEof:
            if (eof_seen_) return make_error_code(Errc::section_kind_wrong);
            eof_seen_ = true;
            return got(StreamEof{}, 1);
        case static_cast<std::uint8_t>(SectionType::start):
        case static_cast<std::uint8_t>(SectionType::full):
            return parse_section_head(visible, static_cast<SectionType>(type));
        case static_cast<std::uint8_t>(SectionType::part):
        case static_cast<std::uint8_t>(SectionType::end):
            return continue_section(visible, static_cast<SectionType>(type));
        case kRecordVmDescription:
            return parse_vmdescription(visible);
        case kRecordConfiguration:
            return make_error_code(Errc::configuration_invalid);
        case kRecordCommand:
            return parse_command(visible);
        default:
            return make_error_code(Errc::section_type_unknown);
    }
}

Result<Parsed> StreamParser::parse_vmdescription(std::span<const std::byte> visible) {
    if (!eof_seen_ || vmdescription_seen_) return make_error_code(Errc::section_kind_wrong);
    BigEndianReader reader(visible.subspan(1));
    const auto bytes = reader.integer<std::uint32_t>();
    if (!reader.ok()) return need(1 + reader.needed());
    if (bytes > limits::kVmDescriptionBytesMax) {
        return make_error_code(Errc::vmdescription_too_large);
    }
    vmdescription_seen_ = true;
    return got(VmDescription{bytes}, 1 + reader.position());
}

Result<Parsed> StreamParser::parse_command(std::span<const std::byte> visible) {
    BigEndianReader reader(visible.subspan(1));
    const auto id = reader.integer<std::uint16_t>();
    const std::size_t length = reader.integer<std::uint16_t>();
    if (!reader.ok()) return need(1 + 2 * sizeof(std::uint16_t));
    const Errc judged = judge_command(id, length);
    if (judged != Errc::ok) return make_error_code(judged);
    const auto data = reader.take(length);
    if (!reader.ok()) return need(1 + reader.needed());
    hello_asked_ = hello_asked_ || (id == kCommandPing && asks_for_hello(data));
    hello_seen_ = hello_seen_ || id == kCommandHello;
    commit_seen_ = commit_seen_ || id == kCommandCommit;
    switchover_seen_ =
        switchover_seen_ || id == kCommandSwitchoverStart || id == kCommandSwitchoverAt;
    return got(Command{id, data}, 1 + reader.position());
}

Errc StreamParser::judge_command(std::uint16_t id, std::size_t length) const noexcept {
    switch (id) {
        case kCommandOpenReturnPath:
            if (section_seen_ || eof_seen_) return Errc::command_unexpected;
            return length == 0 ? Errc::ok : Errc::command_length_wrong;
        case kCommandPing:
            return length == 4 ? Errc::ok : Errc::command_length_wrong;
        case kCommandSwitchoverStart:
            if (switchover_seen_ || eof_seen_) return Errc::command_unexpected;
            return length == 0 ? Errc::ok : Errc::command_length_wrong;
        case kCommandHello:
        case kCommandCommit:
        case kCommandAbort:
        case kCommandVerify:
        case kCommandSwitchoverAt:
        case kCommandPreCopyQuery:
            return options_.extensions ? judge_extension(id, length) : Errc::command_unknown;
        default:
            return id != 0 && id <= kCommandQemuLast ? Errc::command_unexpected
                                                     : Errc::command_unknown;
    }
}

Errc StreamParser::judge_extension(std::uint16_t id, std::size_t length) const noexcept {
    if (id == kCommandHello) {
        if (hello_seen_ || section_seen_ || eof_seen_) return Errc::hello_unexpected;
        return length != 0 ? Errc::ok : Errc::command_length_wrong;
    }
    if (commit_seen_) return Errc::command_unexpected;
    if (id == kCommandAbort) {
        if (!hello_asked_ && !hello_seen_) return Errc::command_unexpected;
        return length <= kPeerErrorBytesMax ? Errc::ok : Errc::command_length_wrong;
    }
    if (!hello_seen_) return Errc::command_unexpected;
    if (id == kCommandSwitchoverAt || id == kCommandPreCopyQuery) {
        if (switchover_seen_ || eof_seen_) return Errc::command_unexpected;
        const bool valid =
            id == kCommandPreCopyQuery ? length == 0 : switchover_length_valid(length);
        return valid ? Errc::ok : Errc::command_length_wrong;
    }
    if (!eof_seen_) return Errc::command_unexpected;
    const bool valid = id == kCommandCommit ? length == 0 : verify_length_valid(length);
    return valid ? Errc::ok : Errc::command_length_wrong;
}

Result<Parsed> StreamParser::parse_section_head(std::span<const std::byte> visible,
                                                SectionType type) {
    if (eof_seen_) return make_error_code(Errc::section_kind_wrong);
    BigEndianReader reader(visible.subspan(1));
    const auto section_id = reader.integer<std::uint32_t>();
    const std::size_t idstr_bytes = reader.integer<std::uint8_t>();
    if (reader.ok() && idstr_bytes == 0) return make_error_code(Errc::idstr_invalid);
    const auto idstr = text_of(reader.take(idstr_bytes));
    const auto instance_id = reader.integer<std::uint32_t>();
    const auto version_id = reader.integer<std::uint32_t>();
    if (!reader.ok()) return need(1 + reader.needed());
    if (idstr.find('\0') != std::string_view::npos) return make_error_code(Errc::idstr_invalid);

    std::ranges::copy(idstr, idstr_.begin());
    section_ = {.type = type,
                .section_id = section_id,
                .kind = SectionKind::foreign,
                .idstr = std::string_view(idstr_.data(), idstr.size()),
                .instance_id = instance_id,
                .version_id = version_id};
    const Errc judged = type == SectionType::start ? open_start() : open_full();
    if (judged != Errc::ok) return make_error_code(judged);
    return enter_section(1 + reader.position());
}

Errc StreamParser::open_start() {
    section_.kind = classifier_.kind_of(section_.idstr, section_.instance_id);
    const bool started = section_.kind == SectionKind::device ||
                         (section_.kind == SectionKind::ram && options_.recording);
    if (!started) {
        if (section_.kind == SectionKind::host) return Errc::section_kind_wrong;
        return options_.recording ? Errc::ok : Errc::section_foreign;
    }
    if (switchover_seen_) return Errc::section_kind_wrong;
    if (const Errc judged = judge_version(); judged != Errc::ok) return judged;
    const bool repeated =
        known_.contains(section_.section_id) || std::ranges::any_of(known_, [&](const auto& entry) {
            return entry.second.instance_id == section_.instance_id &&
                   entry.second.idstr == section_.idstr;
        });
    if (repeated) return Errc::section_id_repeated;
    if (known_.size() >= kSectionsMax) return Errc::sections_too_many;
    known_.emplace(section_.section_id, Known{.idstr = std::string(section_.idstr),
                                              .instance_id = section_.instance_id,
                                              .version_id = section_.version_id,
                                              .kind = section_.kind});
    return Errc::ok;
}

Errc StreamParser::open_full() {
    const auto found = known_.find(section_.section_id);
    if (found == known_.end()) {
        section_.kind = classifier_.kind_of(section_.idstr, section_.instance_id);
        switch (section_.kind) {
            case SectionKind::device:
                return Errc::section_id_unknown;
            case SectionKind::host:
                return judge_version();
            case SectionKind::ram:
                return options_.recording ? Errc::section_kind_wrong : Errc::section_foreign;
            case SectionKind::foreign:
                return options_.recording ? Errc::ok : Errc::section_foreign;
        }
    }
    Known& known = found->second;
    if (known.idstr != section_.idstr || known.instance_id != section_.instance_id) {
        return Errc::section_id_repeated;
    }
    section_.kind = known.kind;
    if (known.kind != SectionKind::device || known.full) return Errc::section_kind_wrong;
    known.full = true;
    return judge_version();
}

Errc StreamParser::judge_version() const noexcept {
    const std::uint32_t wanted =
        section_.kind == SectionKind::ram ? kRamSectionVersion : kDeviceSectionVersion;
    return section_.version_id == wanted ? Errc::ok : Errc::section_version_wrong;
}

Result<Parsed> StreamParser::continue_section(std::span<const std::byte> visible,
                                              SectionType type) {
    if (eof_seen_) return make_error_code(Errc::section_kind_wrong);
    BigEndianReader reader(visible.subspan(1));
    const auto section_id = reader.integer<std::uint32_t>();
    if (!reader.ok()) return need(1 + reader.needed());
    const auto found = known_.find(section_id);
    if (found == known_.end()) return make_error_code(Errc::section_id_unknown);
    Known& known = found->second;
    section_ = {.type = type,
                .section_id = section_id,
                .kind = known.kind,
                .idstr = known.idstr,
                .instance_id = known.instance_id,
                .version_id = known.version_id};
    const bool late = known.ended || known.full || (type == SectionType::part && switchover_seen_);
    if (late) return make_error_code(Errc::section_kind_wrong);
    known.ended = type == SectionType::end;
    return enter_section(1 + reader.position());
}

Parsed StreamParser::enter_section(std::size_t consumed) {
    section_seen_ = true;
    setup_seen_ = false;
    config_seen_ = false;
    ram_unlisted_ = 0;
    switch (section_.kind) {
        case SectionKind::device:
            state_ = State::device;
            break;
        case SectionKind::host:
            state_ = State::host_data;
            break;
        case SectionKind::ram:
            state_ = State::ram;
            break;
        case SectionKind::foreign:
            state_ = State::footer;
            return got(ForeignSection{section_}, consumed);
    }
    return got(section_, consumed);
}

}  // namespace multifd
