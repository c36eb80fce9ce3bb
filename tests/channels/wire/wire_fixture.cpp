#include "tests/channels/wire/wire_fixture.hpp"

#include <algorithm>
#include <memory>

#include "channels/wire/hello.hpp"
#include "channels/wire/message_bodies.hpp"

namespace multifd::test {
namespace {

template <class... Callables>
struct Overloaded : Callables... {
    using Callables::operator()...;
};
template <class... Callables>
Overloaded(Callables...) -> Overloaded<Callables...>;

std::string head(const SectionBegin& begin) {
    static constexpr std::array<const char*, 4> kTypes{"start", "part", "end", "full"};
    static constexpr std::array<const char*, 4> kKinds{"device", "host", "ram", "foreign"};
    return std::string(kTypes.at(static_cast<std::size_t>(begin.type) - 1)) + ' ' +
           kKinds.at(static_cast<std::size_t>(begin.kind)) + ' ' +
           std::to_string(begin.section_id) + ' ' + std::string(begin.idstr) + '/' +
           std::to_string(begin.instance_id) + " v" + std::to_string(begin.version_id);
}

}  // namespace

std::string to_string(const StreamEvent& event) {
    return std::visit(
        Overloaded{
            [](const StreamHeader&) { return std::string("header"); },
            [](const Configuration& record) {
                return "configuration " + std::string(record.machine);
            },
            [](const Command& record) {
                return "command " + std::to_string(record.id) + ' ' + to_hex(record.data);
            },
            [](const SectionBegin& record) { return head(record); },
            [](const DeviceMarkSeen& record) {
                static constexpr std::array<const char*, 3> kMarks{"setup", "end of state",
                                                                   "init data sent"};
                return std::string(kMarks.at(static_cast<std::size_t>(record.mark)));
            },
            [](const InitDataBelow& record) {
                return "init data below " + std::to_string(record.idx);
            },
            [](const DeviceData& record) { return "data " + std::to_string(record.bytes); },
            [](const ConfigState& record) { return "config " + to_hex(record.bytes); },
            [](const SizedConfig& record) {
                return "sized config " + std::to_string(record.bytes);
            },
            [](const SectionEnd& record) {
                return "section end " + std::to_string(record.section_id);
            },
            [](const StreamEof&) { return std::string("eof"); },
            [](const VmDescription& record) {
                return "vmdescription " + std::to_string(record.bytes);
            },
            [](const RamRecord& record) {
                return "ram " + std::to_string(static_cast<int>(record.kind)) + ' ' +
                       std::string(record.block) + ' ' + std::to_string(record.offset) + ' ' +
                       std::to_string(record.bytes);
            },
            [](const ForeignSection& record) { return "foreign " + head(record.begin); },
        },
        event);
}

std::uint64_t raw_bytes(const StreamEvent& event) {
    if (const auto* data = std::get_if<DeviceData>(&event)) return data->bytes;
    if (const auto* config = std::get_if<SizedConfig>(&event)) return config->bytes;
    if (const auto* description = std::get_if<VmDescription>(&event)) return description->bytes;
    return 0;
}

Received receive(std::span<const std::byte> stream, const SectionClassifier& classifier,
                 ParserOptions options, std::size_t first, std::size_t step) {
    Received received;
    StreamParser parser(classifier, options);
    std::size_t position = 0;
    std::size_t visible_end = std::min(first, stream.size());
    while (true) {
        const auto visible = stream.subspan(position, visible_end - position);
        const auto copy = std::make_unique<std::byte[]>(visible.size());
        std::ranges::copy(visible, copy.get());
        const auto parsed = parser.parse({copy.get(), visible.size()});
        if (!parsed) {
            received.end = error_name(parsed.error());
            return received;
        }
        if (!parsed->event) {
            if (parsed->needed <= visible.size()) {
                received.end = "asked for bytes it has";
                return received;
            }
            if (visible_end == stream.size()) break;
            visible_end = std::min(visible_end + step, stream.size());
            continue;
        }
        received.events.push_back(to_string(*parsed->event));
        position += parsed->consumed;
        const std::uint64_t raw = raw_bytes(*parsed->event);
        if (raw > stream.size() - position) {
            received.end = "stream_truncated";
            return received;
        }
        if (raw != 0) {
            received.events.push_back(to_hex(stream.subspan(position, raw)));
            position += raw;
        }
        visible_end = std::max(visible_end, position);
    }
    const auto finished = parser.finish(stream.size() - position);
    received.end = outcome(finished);
    return received;
}

Bytes session_stream() {
    Bytes stream;
    StreamWriter writer(stream);
    writer.header();
    writer.configuration("none");
    writer.open_return_path();
    writer.ping(kHelloPing);
    writer.command(kCommandHello, bytes_of("{}"));
    writer.section_begin(SectionType::start, 1, "gpu0", 0);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
    writer.section_begin(SectionType::start, 2, "nic0", 7);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(2);
    writer.section_begin(SectionType::full, 900, "host-ram", 0);
    writer.data_begin(3);
    append_bytes(stream, bytes_of("ram"));
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(900);
    writer.section_begin(SectionType::part, 2, "", 0);
    writer.data_begin(5);
    append_bytes(stream, bytes_of("early"));
    writer.mark(DeviceMark::init_data_sent);
    writer.section_end(2);
    writer.switchover_start();
    writer.section_begin(SectionType::end, 1, "", 0);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(1);
    writer.section_begin(SectionType::end, 2, "", 0);
    writer.data_begin(4);
    append_bytes(stream, bytes_of("late"));
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(2);
    writer.section_begin(SectionType::full, 1, "gpu0", 0);
    writer.config(bytes_of("unsized"));
    writer.section_end(1);
    writer.section_begin(SectionType::full, 2, "nic0", 7);
    writer.sized_config_begin(5);
    append_bytes(stream, bytes_of("sized"));
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(2);
    writer.eof();
    writer.vmdescription("{}");
    writer.command(kCommandVerify, encode_verify({}).front());
    writer.command(kCommandCommit);
    return stream;
}

NamedSections session_sections() {
    return NamedSections({{"gpu0", SectionKind::device},
                          {"nic0", SectionKind::device},
                          {"gpu1", SectionKind::device},
                          {"ram", SectionKind::ram},
                          {"host-ram", SectionKind::host}});
}

Bytes qemu_stream() {
    Bytes stream;
    StreamWriter writer(stream);
    writer.header();
    writer.configuration("pc-q35-10.0");
    writer.open_return_path();
    writer.ping(1);
    writer.section_begin(SectionType::start, 1, "ram", 0, 4);
    // The sum of all blocks, then the blocks, then the end; flags stand in the lower 12 bits.
    append_bytes(stream, from_hex("0000000000003004 06 70632e72616d 0000000000002000"
                                  "04 626f6f74 0000000000001000 0000000000000010"));
    writer.section_end(1);
    writer.section_begin(SectionType::start, 37, "0000:00:04.0/vfio", 0);
    writer.mark(DeviceMark::setup);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(37);
    writer.section_begin(SectionType::part, 1, "", 0);
    // A zero page, a delta page of 3 bytes, a flush.
    append_bytes(stream, from_hex("0000000000001002 06 70632e72616d 00"
                                  "0000000000000060 01 0003 aabbcc"
                                  "0000000000000200 0000000000000010"));
    writer.section_end(1);
    writer.switchover_start();
    writer.section_begin(SectionType::end, 37, "", 0);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(37);
    writer.section_begin(SectionType::full, 0, "timer", 0, 2);
    // Two fields of 2 bytes, and a subsection "sub" of 1 byte.
    append_bytes(stream, from_hex("aaaabbbb 05 03 737562 00000001 cc"));
    writer.section_end(0);
    writer.section_begin(SectionType::full, 37, "0000:00:04.0/vfio", 0);
    writer.mark(DeviceMark::end_of_state);
    writer.section_end(37);
    writer.eof();
    writer.vmdescription(kQemuDescription);
    return stream;
}

}  // namespace multifd::test
