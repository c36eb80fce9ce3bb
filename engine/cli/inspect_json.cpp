// An inspection as one JSON document, written while the files are read: it is never held whole.
#include <nlohmann/json.hpp>

#include "engine/cli/inspect_output.hpp"

namespace multifd {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json device_json(const DeviceIdentity& identity, const InspectedDevice& device) {
    const OrderedState state = order_state(device);
    const auto config = config_of(device);
    return Json{{"idstr", identity.idstr},
                {"instance-id", identity.instance_id},
                {"multifd", !device.packets.empty()},
                {"packets", device.packets.size()},
                {"state-bytes", state.state_bytes},
                {"pre-copy-bytes", state.pre_copy_bytes},
                {"config-bytes", config ? Json(config->size()) : Json(nullptr)},
                {"complete", state.complete}};
}

Json finding_json(const Finding& finding) {
    Json device = nullptr;
    if (finding.device) {
        device =
            Json{{"idstr", finding.device->idstr}, {"instance-id", finding.device->instance_id}};
    }
    return Json{{"severity", to_string(finding.severity)},
                {"code", finding.code},
                {"file", finding.file.empty() ? Json(nullptr) : Json(finding.file)},
                {"offset", or_null(finding.offset)},
                {"device", std::move(device)},
                {"message", finding.message}};
}

class JsonPrinter final : public InspectionPrinter {
  public:
    explicit JsonPrinter(TextSink sink) : output_(std::move(sink)) {
        add("{\"schema\": \"multifd-inspection/1\", \"version\": " + dump(MULTIFD_VERSION) +
            ",\n\"files\": [");
    }

    void begin_file(const RecordedFile& file, std::string_view kind) override {
        add(first_file_ ? "\n" : ",\n");
        add("{\"name\": " + dump(file.name) + ", \"kind\": " + dump(kind) +
            ", \"bytes\": " + std::to_string(file.bytes.size()) + ", \"records\": [");
        first_file_ = false;
        first_record_ = true;
    }

    void record(const InspectedRecord& record) override {
        Json json{{"kind", record.kind}, {"offset", record.offset}, {"bytes", record.bytes}};
        for (const RecordField& field : record.fields) {
            json[std::string(field.name)] =
                std::visit([](const auto& value) { return Json(value); }, field.value);
        }
        add((first_record_ ? "\n" : ",\n") + dump(json));
        first_record_ = false;
    }

    void end_file() override { add("]}"); }

    void finish(const InspectionEnd& end) override {
        Json devices = Json::array();
        for (const auto& [identity, device] : end.inspection.devices) {
            devices.push_back(device_json(identity, device));
        }
        Json channels = Json::array();
        for (const InspectedChannel& channel : end.inspection.channels) {
            channels.push_back(Json{{"id", channel.id},
                                    {"file", channel.file},
                                    {"session", to_string(channel.session)},
                                    {"device-packets", channel.device_packets},
                                    {"ram-packets", channel.ram_packets},
                                    {"bytes", channel.bytes}});
        }
        Json findings = Json::array();
        for (const Finding& finding : end.inspection.findings) {
            findings.push_back(finding_json(finding));
        }
        Json extracted = Json::array();
        for (const ExtractedFile& file : end.extracted) {
            extracted.push_back(Json{{"path", file.path}, {"bytes", file.bytes}});
        }
        add("],\n\"devices\": " + dump(devices) + ",\n\"channels\": " + dump(channels) +
            ",\n\"findings\": " + dump(findings) + ",\n\"extracted\": " + dump(extracted) +
            ",\n\"error\": " + dump(or_null(end.extract_error)) + "}\n");
        output_.flush();
    }

  private:
    void add(std::string_view text) { output_.add(text); }

    BufferedText output_;
    bool first_file_ = true;
    bool first_record_ = true;
};

}  // namespace

std::unique_ptr<InspectionPrinter> make_json_printer(TextSink sink) {
    return std::make_unique<JsonPrinter>(std::move(sink));
}

}  // namespace multifd
