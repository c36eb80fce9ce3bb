// Reads the recorded main channel of an inspection: one record for each section and command.
#include "engine/cli/inspection_reader.hpp"

#include "channels/wire/recording.hpp"

namespace multifd {
namespace {

std::string_view section_name(SectionType type) {
    switch (type) {
        case SectionType::start:
            return "START";
        case SectionType::part:
            return "PART";
        case SectionType::end:
            return "END";
        case SectionType::full:
            return "FULL";
    }
    return "section";
}

std::string_view kind_name(SectionKind kind) {
    switch (kind) {
        case SectionKind::device:
            return "device";
        case SectionKind::host:
            return "host";
        case SectionKind::ram:
            return "ram";
        case SectionKind::foreign:
            return "foreign";
    }
    return "foreign";
}

std::string command_name(std::uint16_t id) {
    switch (id) {
        case kCommandOpenReturnPath:
            return "OPEN_RETURN_PATH";
        case kCommandPing:
            return "PING";
        case kCommandSwitchoverStart:
            return "SWITCHOVER_START";
        case kCommandHello:
            return "HELLO";
        case kCommandCommit:
            return "COMMIT";
        case kCommandAbort:
            return "ABORT";
        case kCommandVerify:
            return "VERIFY";
        case kCommandSwitchoverAt:
            return "SWITCHOVER_AT";
        case kCommandPreCopyQuery:
            return "PRE_COPY_QUERY";
        default:
            return std::to_string(id);
    }
}

/// Turns the events of a main stream into records, and keeps what belongs to devices.
class MainChannelInspector {
  public:
    explicit MainChannelInspector(InspectionState& state) : state_(state) {}

    /// Fails only on a command whose content cannot be understood.
    Result<> take(const RecordedEvent& event) {
        error_ = {};
        at_ = &event;
        std::visit([this](const auto& what) { on(what); }, event.event);
        if (error_) return error_;
        return {};
    }

  private:
    void on(const StreamHeader&) { single("HEADER", {}); }
    void on(const Configuration& configuration) {
        single("CONFIGURATION", {{"machine", std::string(configuration.machine)}});
    }
    void on(const StreamEof&) {
        state_.conversation.eof_seen = true;
        single("EOF", {});
    }
    void on(const VmDescription& description) {
        single("VMDESCRIPTION", {{"json-bytes", std::uint64_t{description.bytes}}});
    }

    void on(const Command& command) {
        InspectedRecord record{"COMMAND", at_->offset, at_->bytes, {}};
        record.fields = {{"name", command_name(command.id)},
                         {"data", std::uint64_t{command.data.size()}}};
        hear(command);
        state_.visitor.record(record);
    }

    void hear(const Command& command) {
        Conversation& conversation = state_.conversation;
        switch (command.id) {
            case kCommandOpenReturnPath:
                conversation.return_path_opened = true;
                break;
            case kCommandPing:
                keep(decode_u32(command.data),
                     [&](auto value) { conversation.pings.push_back(value); });
                break;
            case kCommandSwitchoverStart:
                conversation.switchover_seen = true;
                break;
            case kCommandSwitchoverAt:
                conversation.switchover_seen = true;
                keep(decode_switchover(command.data), [](const auto&) {});
                break;
            case kCommandHello:
                keep(decode_hello(command.data),
                     [&](Hello& hello) { conversation.source_hello = std::move(hello); });
                break;
            case kCommandVerify:
                keep(decode_verify(command.data), [&](const VerifyTable& table) {
                    conversation.source_counts.insert(conversation.source_counts.end(),
                                                      table.entries.begin(), table.entries.end());
                });
                break;
            case kCommandCommit:
                conversation.commit_seen = true;
                break;
            case kCommandAbort:
                conversation.abort_seen = true;
                break;
            default:
                break;
        }
    }

    template <class T, class Use>
    void keep(Result<T> decoded, Use use) {
        if (decoded) {
            use(*decoded);
        } else {
            error_ = decoded.error();
        }
    }

    void on(const SectionBegin& begin) { open(begin); }
    void on(const ForeignSection& foreign) {
        open(foreign.begin);
        content_ = "body " + std::to_string(at_->raw.size());
        section_.bytes = at_->offset + at_->bytes - section_.offset;
    }
    void on(const RamRecord&) { ++ram_records_; }

    void on(const DeviceMarkSeen& seen) {
        switch (seen.mark) {
            case DeviceMark::setup:
                return add("SETUP");
            case DeviceMark::end_of_state:
                return add("END_OF_STATE");
            case DeviceMark::init_data_sent:
                return add("INIT_DATA_SENT");
        }
    }
    void on(const InitDataBelow& initial) { add("INIT_DATA_BELOW " + std::to_string(initial.idx)); }
    void on(const DeviceData& data) {
        add("DATA " + std::to_string(data.bytes));
        if (device_ == nullptr || at_->raw.empty()) return;
        (type_ == SectionType::end ? device_->main_state : device_->pre_copy).push_back(at_->raw);
    }
    void on(const ConfigState& config) {
        add("CONFIG " + std::to_string(config.bytes.size()) + " END_OF_STATE");
        if (device_ != nullptr) device_->main_config = config.bytes;
    }
    void on(const SizedConfig& config) {
        add("SIZED_CONFIG " + std::to_string(config.bytes));
        if (device_ != nullptr) device_->main_config = at_->raw;
    }
    void on(const SectionEnd&) {
        if (ram_records_ != 0) add(std::to_string(ram_records_) + " ram records");
        section_.bytes = at_->offset + at_->bytes - section_.offset;
        section_.fields.push_back({"content", content_});
        state_.visitor.record(section_);
        device_ = nullptr;
    }

    void open(const SectionBegin& begin) {
        section_ = {section_name(begin.type), at_->offset, 0, {}};
        section_.fields = {{"section", std::uint64_t{begin.section_id}},
                           {"of", std::string(kind_name(begin.kind))},
                           {"idstr", std::string(begin.idstr)},
                           {"instance-id", std::uint64_t{begin.instance_id}},
                           {"version", std::uint64_t{begin.version_id}}};
        content_.clear();
        ram_records_ = 0;
        type_ = begin.type;
        device_ = nullptr;
        if (begin.kind != SectionKind::device) return;
        device_ = &state_.result.devices[{std::string(begin.idstr), begin.instance_id}];
        device_->ended = device_->ended || begin.type == SectionType::end;
    }

    void add(const std::string& content) { content_ += (content_.empty() ? "" : " ") + content; }

    void single(std::string_view kind, std::vector<RecordField> fields) {
        state_.visitor.record({kind, at_->offset, at_->bytes, std::move(fields)});
    }

    InspectionState& state_;
    const RecordedEvent* at_ = nullptr;  ///< Only during take().
    ErrorCode error_;

    // The section being read.
    InspectedRecord section_;
    std::string content_;
    std::uint64_t ram_records_ = 0;
    SectionType type_ = SectionType::start;
    InspectedDevice* device_ = nullptr;  ///< Of a device section. A map's values stay in place.
};

}  // namespace

void inspect_main_channel(const RecordedFile& file, InspectionState& state) {
    state.conversation.main_channel_seen = true;
    MainStreamReader reader(file.bytes);
    MainChannelInspector inspector(state);
    for (;;) {
        const auto event = reader.next();
        if (!event) return add_unreadable(state.result, file, reader.offset(), event.error());
        if (!*event) return;
        const Result<> understood = inspector.take(**event);
        if (!understood) {
            return add_unreadable(state.result, file, (*event)->offset, understood.error());
        }
    }
}

}  // namespace multifd
