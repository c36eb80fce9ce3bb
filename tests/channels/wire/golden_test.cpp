// Every recording of QEMU decodes to its last byte, and what QEMU encoded we encode to the same
// bytes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "channels/wire/recording.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

/// Read off the recordings by another decoder.
struct Facts {
    const char* name;
    std::size_t description_offset;  ///< Of VMDESCRIPTION in the main stream.
    int sections_in_description;
    int channels;
    int sync_packets;
    int ram_packets;
    int device_packets;
    std::size_t state_bytes;       ///< Of state buffers on the channels.
    std::size_t main_state_bytes;  ///< DATA_STATE on the main channel, pre-copy's included.
    int main_configs;
    int messages;
};

constexpr auto kRecordings = std::to_array<Facts>({
    {"q10-labk-1dev-2ch-src-on-dst-off", 0x0846a, 30, 2, 6, 37, 2, 72, 24, 0, 2},
    {"q10-mtty-1dev-1ch", 0x085ae, 30, 1, 3, 37, 2, 72, 24, 0, 3},
    {"q10-mtty-1dev-2ch", 0x085ae, 30, 2, 6, 37, 2, 72, 24, 0, 3},
    {"q10-mtty-1dev-2ch-norp", 0x086e4, 30, 2, 6, 37, 2, 72, 24, 0, 0},
    {"q10-mtty-1dev-2ch-noswack", 0x08542, 30, 2, 6, 37, 2, 72, 24, 0, 2},
    {"q10-mtty-1dev-2ch-transfer-off", 0x09622, 30, 2, 6, 37, 0, 0, 96, 1, 3},
    {"q10-mtty-1dev-2ch-zstd-auto", 0x096b2, 30, 2, 6, 37, 0, 0, 96, 1, 3},
    {"q10-mtty-1dev-nomultifd", 0x18d2a, 30, 0, 0, 0, 0, 0, 96, 1, 3},
    {"q10-mtty-2dev-2ch", 0x0880a, 31, 2, 6, 37, 4, 144, 48, 0, 3},
    {"q10-mtty-2dev-2ch-mixed", 0x098ea, 31, 2, 6, 37, 2, 72, 120, 1, 3},
    {"q10-mttyx32k-3dev-4ch", 0x08aae, 32, 4, 12, 37, 102, 98520, 72, 0, 3},
    {"q10-mttyx64k-2dev-4ch", 0x08840, 31, 4, 12, 37, 36, 131216, 48, 0, 3},
});

Bytes recording(const Facts& facts, const std::string& connection) {
    return read_file(captures() / facts.name / ("conn-" + connection + ".bin"));
}

/// Writes what the events say with our encoder; what is not ours to write is copied.
class Echo {
  public:
    void write(const RecordedEvent& event, std::span<const std::byte> original) {
        if (const auto* foreign = std::get_if<ForeignSection>(&event.event)) {
            begin(foreign->begin);
        } else if (std::holds_alternative<RamRecord>(event.event)) {
            append_bytes(target, original);
        } else {
            std::visit([this](const auto& record) { encode_record(record); }, event.event);
        }
        const bool described = std::holds_alternative<VmDescription>(event.event);
        if (described) return writer_.vmdescription(text_of(event.raw));
        append_bytes(target, event.raw);
    }
    Bytes target;

  private:
    void begin(const SectionBegin& head) {
        writer_.section_begin(head.type, head.section_id, head.idstr, head.instance_id,
                              head.version_id);
    }
    void encode_record(const StreamHeader&) { writer_.header(); }
    void encode_record(const Configuration& record) { writer_.configuration(record.machine); }
    void encode_record(const Command& record) { writer_.command(record.id, record.data); }
    void encode_record(const SectionBegin& record) { begin(record); }
    void encode_record(const DeviceMarkSeen& record) { writer_.mark(record.mark); }
    void encode_record(const InitDataBelow& record) { writer_.init_data_below(record.idx); }
    void encode_record(const DeviceData& record) { writer_.data_begin(record.bytes); }
    void encode_record(const ConfigState& record) { writer_.config(record.bytes); }
    void encode_record(const SizedConfig& record) { writer_.sized_config_begin(record.bytes); }
    void encode_record(const SectionEnd& record) { writer_.section_end(record.section_id); }
    void encode_record(const StreamEof&) { writer_.eof(); }
    void encode_record(const VmDescription&) {}
    void encode_record(const RamRecord&) {}
    void encode_record(const ForeignSection&) {}

    StreamWriter writer_{target};
};

}  // namespace

TEST_CASE("every recorded main stream decodes to its last byte and encodes to the same bytes",
          "[wire][golden]") {
    const Facts facts = GENERATE(from_range(kRecordings.begin(), kRecordings.end()));
    INFO(facts.name);
    const Bytes stream = recording(facts, "0-src2dst");
    REQUIRE(classify_recording(stream).value() == RecordingKind::main_channel);

    MainStreamReader reader(stream);
    Echo echo;
    std::size_t at = 0;
    std::size_t description_offset = 0;
    std::size_t state_bytes = 0;
    int configs = 0;
    int full_sections = 0;
    while (true) {
        const auto event = reader.next();
        INFO("offset " << reader.offset());
        REQUIRE(outcome(event) == "ok");
        if (!*event) break;
        const RecordedEvent& record = **event;
        REQUIRE(record.offset == at);
        at += record.bytes;
        echo.write(record, std::span(stream).subspan(record.offset, record.bytes));
        if (std::holds_alternative<VmDescription>(record.event)) description_offset = record.offset;
        if (std::holds_alternative<DeviceData>(record.event)) state_bytes += record.raw.size();
        if (const auto* config = std::get_if<ConfigState>(&record.event)) {
            ++configs;
            CHECK(config->bytes.size() == 4116);
        }
        const auto* begin = std::get_if<SectionBegin>(&record.event);
        const bool full = begin != nullptr && begin->type == SectionType::full;
        full_sections += full || std::holds_alternative<ForeignSection>(record.event) ? 1 : 0;
    }
    CHECK(at == stream.size());
    CHECK(description_offset == facts.description_offset);
    CHECK(full_sections == facts.sections_in_description);
    CHECK(state_bytes == facts.main_state_bytes);
    CHECK(configs == facts.main_configs);
    CHECK(echo.target == stream);
}

TEST_CASE("every recorded channel decodes to its last byte and encodes to the same bytes",
          "[wire][golden]") {
    const Facts facts = GENERATE(from_range(kRecordings.begin(), kRecordings.end()));
    INFO(facts.name);
    int sync_packets = 0;
    int ram_packets = 0;
    int device_packets = 0;
    std::size_t state_bytes = 0;
    std::set<int> ids;
    for (int connection = 1; connection <= facts.channels; ++connection) {
        INFO("connection " << connection);
        const Bytes stream = recording(facts, std::to_string(connection) + "-src2dst");
        REQUIRE(classify_recording(stream).value() == RecordingKind::channel);
        ChannelReader reader(stream);
        const auto init = reader.init();
        REQUIRE(outcome(init) == "ok");
        ids.insert(init->id);
        CHECK(multifd::to_string(init->session) == "112233445566778899aabbccddeeff00");
        Bytes echo(kChannelInitBytes);
        encode(*init, kMultifdMagic, std::span<std::byte, kChannelInitBytes>(echo));
        while (true) {
            const auto next = reader.next();
            INFO("offset " << reader.offset());
            REQUIRE(outcome(next) == "ok");
            if (!*next) break;
            const RecordedPacket& packet = **next;
            const auto original = std::span(stream).subspan(packet.offset, packet.bytes);
            if (const auto* ram = std::get_if<RamPacket>(&packet.header)) {
                ++(ram->sync ? sync_packets : ram_packets);
                append_bytes(echo, original);
                continue;
            }
            REQUIRE(std::holds_alternative<DeviceStateHeader>(packet.header));
            const auto& header = std::get<DeviceStateHeader>(packet.header);
            ++device_packets;
            std::array<std::byte, kDeviceStatePrologueBytes> prologue{};
            encode(header, prologue);
            append_bytes(echo, prologue);
            if (!header.config) {
                state_bytes += packet.payload.size();
                append_bytes(echo, packet.payload);
                continue;
            }
            const auto config = unwrap_config(packet.payload);
            REQUIRE(outcome(config) == "ok");
            CHECK(config->size() == 4116);
            append_bytes(echo, config_state_token());
            append_bytes(echo, *config);
            append_bytes(echo, end_of_state_token());
        }
        CHECK(echo == stream);
    }
    CHECK(ids.size() == static_cast<std::size_t>(facts.channels));
    CHECK(sync_packets == facts.sync_packets);
    CHECK(ram_packets == facts.ram_packets);
    CHECK(device_packets == facts.device_packets);
    CHECK(state_bytes == facts.state_bytes);
}

TEST_CASE("every recorded return path decodes to its last byte and encodes to the same bytes",
          "[wire][golden]") {
    const Facts facts = GENERATE(from_range(kRecordings.begin(), kRecordings.end()));
    INFO(facts.name);
    const Bytes stream = recording(facts, "0-dst2src");
    if (facts.messages != 0) {
        REQUIRE(classify_recording(stream).value() == RecordingKind::return_path);
    }
    MessageReader reader(stream, RecordingKind::return_path);
    Bytes echo;
    int messages = 0;
    while (true) {
        const auto next = reader.next();
        REQUIRE(outcome(next) == "ok");
        if (!*next) break;
        ++messages;
        append_message(echo, (*next)->message.type, (*next)->message.data);
    }
    CHECK(messages == facts.messages);
    CHECK(echo == stream);
}

TEST_CASE("a guest's stream is refused by a receiver at its first section that is not a device's",
          "[wire][golden]") {
    const Bytes stream = recording(kRecordings[1], "0-src2dst");
    const NamedSections sections({{"0000:00:04.0/vfio", SectionKind::device}});

    const Received received = receive(stream, sections, {.extensions = false});

    CHECK(received.end == "section_foreign");
    CHECK(received.events == std::vector<std::string>{"header", "configuration pc-q35-10.0",
                                                      "command 1 ", "command 2 00000001"});
}

TEST_CASE("the device sections of a recording, foreign ones taken out, are a stream to receive",
          "[wire][golden]") {
    const Facts& facts = kRecordings[9];
    REQUIRE(facts.name == std::string("q10-mtty-2dev-2ch-mixed"));
    const Bytes stream = recording(facts, "0-src2dst");
    Bytes kept;
    MainStreamReader reader(stream);
    bool foreign = false;
    while (true) {
        const auto next = reader.next();
        REQUIRE(outcome(next) == "ok");
        if (!*next) break;
        const auto& event = (*next)->event;
        const auto* begin = std::get_if<SectionBegin>(&event);
        if (begin != nullptr) foreign = begin->kind != SectionKind::device;
        if (std::holds_alternative<ForeignSection>(event)) foreign = true;
        if (!foreign)
            append_bytes(kept, std::span(stream).subspan((*next)->offset, (*next)->bytes));
        if (std::holds_alternative<SectionEnd>(event)) foreign = false;
    }
    const NamedSections sections(
        {{"0000:00:04.0/vfio", SectionKind::device}, {"0000:00:05.0/vfio", SectionKind::device}});

    const Received received = receive(kept, sections, {.extensions = false}, 1, 1);

    CHECK(received.end == "ok");
    const auto count = [&](const std::string& line) {
        return std::ranges::count(received.events, line);
    };
    CHECK(count("start device 37 0000:00:04.0/vfio/0 v1") == 1);
    CHECK(count("full device 38 0000:00:05.0/vfio/0 v1") == 1);
    CHECK(count("data 72") == 1);
    CHECK(count("data 24") == 2);
    CHECK(count("eof") == 1);
}
