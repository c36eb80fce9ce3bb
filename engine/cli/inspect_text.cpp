// An inspection as text.
#include <array>
#include <cstdio>

#include "engine/cli/inspect_output.hpp"
#include "engine/cli/printable_text.hpp"
#include "engine/cli/readable.hpp"
#include "engine/cli/text_table.hpp"

namespace multifd {
namespace {

std::string hexadecimal(std::uint64_t value) {
    std::array<char, 24> text{};
    std::snprintf(text.data(), text.size(), "0x%08llx", static_cast<unsigned long long>(value));
    return text.data();
}

std::string text_of(const RecordField& field) {
    if (const bool* flag = std::get_if<bool>(&field.value)) return *flag ? "yes" : "no";
    if (const auto* number = std::get_if<std::uint64_t>(&field.value)) {
        return std::to_string(*number);
    }
    const std::string& text = std::get<std::string>(field.value);
    const bool plain = !text.empty() && text.find(' ') == std::string::npos;
    return plain ? text : "\"" + text + "\"";
}

std::string path_of(const InspectedDevice& device) {
    if (!device.packets.empty()) return "channels";
    return device.main_state.empty() && !device.main_config ? "none" : "main";
}

class TextPrinter final : public InspectionPrinter {
  public:
    explicit TextPrinter(TextSink sink) : output_(std::move(sink)) {}

    void begin_file(const RecordedFile& file, std::string_view kind) override {
        add(printable(file.name) + ": " + std::string(kind) + ", " +
            std::to_string(file.bytes.size()) + " bytes\n");
    }

    void record(const InspectedRecord& record) override {
        std::string line = hexadecimal(record.offset) + " +" + std::to_string(record.bytes) + " " +
                           std::string(record.kind);
        for (const RecordField& field : record.fields) {
            line += " " + std::string(field.name) + "=" + text_of(field);
        }
        add("  " + printable(line) + "\n");
    }

    void end_file() override {}

    void finish(const InspectionEnd& end) override {
        add(device_table(end.inspection));
        add(channel_table(end.inspection));
        for (const ExtractedFile& file : end.extracted) {
            add("wrote " + printable(file.path) + ", " + std::to_string(file.bytes) + " bytes\n");
        }
        for (const Finding& finding : end.inspection.findings) add(finding_line(finding));
        if (end.inspection.findings.empty()) add("nothing found amiss\n");
        output_.flush();
    }

  private:
    static std::string device_table(const Inspection& inspection) {
        TextTable table(
            {"<device", "<path", "packets", "state", "config", "pre-copy", "<complete"});
        for (const auto& [identity, device] : inspection.devices) {
            const OrderedState state = order_state(device);
            const auto config = config_of(device);
            table.add({to_string(identity), path_of(device), std::to_string(device.packets.size()),
                       readable_bytes(state.state_bytes),
                       config ? readable_bytes(config->size()) : "none",
                       readable_bytes(state.pre_copy_bytes), state.complete ? "yes" : "NO"});
        }
        return table.empty() ? "" : "devices:\n" + table.text();
    }

    static std::string channel_table(const Inspection& inspection) {
        TextTable table({"channel", "device packets", "ram packets", "bytes", "<file"});
        for (const InspectedChannel& channel : inspection.channels) {
            table.add({std::to_string(channel.id), std::to_string(channel.device_packets),
                       std::to_string(channel.ram_packets), readable_bytes(channel.bytes),
                       channel.file});
        }
        return table.empty() ? "" : "channels:\n" + table.text();
    }

    static std::string finding_line(const Finding& finding) {
        std::string line =
            std::string(to_string(finding.severity)) + " " + finding.code + ": " + finding.message;
        if (finding.device) line += ", device " + to_string(*finding.device);
        if (!finding.file.empty()) line += ", in " + finding.file;
        if (finding.offset) line += " at " + hexadecimal(*finding.offset);
        return printable(line) + "\n";
    }

    void add(std::string_view text) { output_.add(text); }

    BufferedText output_;
};

}  // namespace

std::unique_ptr<InspectionPrinter> make_text_printer(TextSink sink) {
    return std::make_unique<TextPrinter>(std::move(sink));
}

}  // namespace multifd
