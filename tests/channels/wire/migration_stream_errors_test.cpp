// Each rule of the main channel, broken once: its typed error, from the record that breaks it.
#include <catch2/catch.hpp>
#include <functional>

#include "channels/wire/message_bodies.hpp"
#include "channels/wire/migration_stream.hpp"
#include "tests/channels/wire/wire_fixture.hpp"

using namespace multifd;
using namespace multifd::test;

namespace {

/// Writes a stream, a record a word.
class Script {
  public:
    /// Header and CONFIGURATION.
    Script& begun() {
        writer().header();
        writer().configuration("none");
        return *this;
    }
    Script& hex(std::string_view digits) {
        append_bytes(stream, from_hex(digits));
        return *this;
    }
    Script& command(std::uint16_t id, std::size_t length = 0) {
        writer().command(id, Bytes(length, std::byte{1}));
        return *this;
    }
    Script& hello() { return command(kCommandHello, 2); }
    Script& head(SectionType type, std::uint32_t id, std::string_view idstr = "gpu0",
                 std::uint32_t instance = 0, std::uint32_t version = 1) {
        writer().section_begin(type, id, idstr, instance, version);
        return *this;
    }
    Script& mark(DeviceMark mark) {
        writer().mark(mark);
        return *this;
    }
    Script& end(std::uint32_t id) {
        writer().mark(DeviceMark::end_of_state);
        writer().section_end(id);
        return *this;
    }
    Script& started(std::uint32_t id, std::string_view idstr = "gpu0") {
        return head(SectionType::start, id, idstr).mark(DeviceMark::setup).end(id);
    }
    Script& eof() {
        writer().eof();
        return *this;
    }
    Bytes stream;

  private:
    /// A Script is copied into tables: no member may refer to it.
    StreamWriter writer() { return StreamWriter(stream); }
};

struct Case {
    const char* name;
    Script script;
    const char* expected;
};

void check(const std::vector<Case>& cases, ParserOptions options = {}) {
    for (const Case& row : cases) {
        INFO(row.name);
        CHECK(receive(row.script.stream, session_sections(), options).end == row.expected);
        CHECK(receive(row.script.stream, session_sections(), options, 0, 1).end == row.expected);
    }
}

constexpr auto kStart = SectionType::start;
constexpr auto kPart = SectionType::part;
constexpr auto kEnd = SectionType::end;
constexpr auto kFull = SectionType::full;

}  // namespace

TEST_CASE("a stream that does not begin as one is refused", "[wire]") {
    check({
        {"magic", Script().hex("5145564e 00000003"), "stream_magic_wrong"},
        {"magic alone", Script().hex("5145564e"), "stream_magic_wrong"},
        {"version", Script().hex("5145564d 00000004"), "stream_version_wrong"},
        {"no configuration", Script().hex("5145564d 00000003 00"), "configuration_invalid"},
        {"empty machine", Script().hex("5145564d 00000003 07 00000000"), "configuration_invalid"},
        {"long machine", Script().hex("5145564d 00000003 07 00000100"), "configuration_invalid"},
        {"huge machine", Script().hex("5145564d 00000003 07 ffffffff"), "configuration_invalid"},
        {"configuration twice", Script().begun().hex("07 00000001 61"), "configuration_invalid"},
        {"unknown record", Script().begun().hex("09"), "section_type_unknown"},
        {"a footer alone", Script().begun().hex("7e 00000001"), "section_type_unknown"},
        {"cut", Script().begun().hex("08"), "stream_truncated"},
    });
}

TEST_CASE("a section that is not in its place is refused", "[wire]") {
    check({
        {"empty idstr", Script().begun().hex("01 00000001 00"), "idstr_invalid"},
        {"NUL in idstr", Script().begun().hex("01 00000001 02 6100 00000000 00000001"),
         "idstr_invalid"},
        {"foreign START", Script().begun().head(kStart, 1, "dirty-bitmap"), "section_foreign"},
        {"foreign FULL", Script().begun().head(kFull, 1, "timer"), "section_foreign"},
        {"RAM START", Script().begun().head(kStart, 1, "ram", 0, 4), "section_foreign"},
        {"RAM FULL", Script().begun().head(kFull, 1, "ram", 0, 4), "section_foreign"},
        {"PART of nothing", Script().begun().head(kPart, 1), "section_id_unknown"},
        {"END of nothing", Script().begun().started(1).head(kEnd, 2), "section_id_unknown"},
        {"FULL never started", Script().begun().head(kFull, 1), "section_id_unknown"},
        {"id twice", Script().begun().started(1).head(kStart, 1, "nic0"), "section_id_repeated"},
        {"device twice", Script().begun().started(1).head(kStart, 2), "section_id_repeated"},
        {"FULL of another device", Script().begun().started(1).head(kFull, 1, "nic0"),
         "section_id_repeated"},
        {"FULL of another instance", Script().begun().started(1).head(kFull, 1, "gpu0", 1),
         "section_id_repeated"},
        {"host section under a device's id", Script().begun().started(1).head(kFull, 1, "host-ram"),
         "section_id_repeated"},
        {"host START", Script().begun().head(kStart, 1, "host-ram"), "section_kind_wrong"},
        {"START after switchover", Script().begun().command(11).head(kStart, 1),
         "section_kind_wrong"},
        {"PART after switchover", Script().begun().started(1).command(11).head(kPart, 1),
         "section_kind_wrong"},
        {"PART after END", Script().begun().started(1).head(kEnd, 1).end(1).head(kPart, 1),
         "section_kind_wrong"},
        {"END twice", Script().begun().started(1).head(kEnd, 1).end(1).head(kEnd, 1),
         "section_kind_wrong"},
        {"FULL twice", Script().begun().started(1).head(kFull, 1).end(1).head(kFull, 1),
         "section_kind_wrong"},
        {"END after FULL", Script().begun().started(1).head(kFull, 1).end(1).head(kEnd, 1),
         "section_kind_wrong"},
        {"PART after EOF", Script().begun().started(1).eof().head(kPart, 1), "section_kind_wrong"},
        {"FULL after EOF", Script().begun().started(1).eof().head(kFull, 1), "section_kind_wrong"},
        {"EOF twice", Script().begun().eof().eof(), "section_kind_wrong"},
        {"description before EOF", Script().begun().hex("06 00000000"), "section_kind_wrong"},
        {"description twice", Script().begun().eof().hex("06 00000000 06 00000000"),
         "section_kind_wrong"},
        {"description too large", Script().begun().eof().hex("06 04000001"),
         "vmdescription_too_large"},
        {"device version", Script().begun().head(kStart, 1, "gpu0", 0, 2), "section_version_wrong"},
        {"device version in FULL", Script().begun().started(1).head(kFull, 1, "gpu0", 0, 0),
         "section_version_wrong"},
        {"host version", Script().begun().head(kFull, 1, "host-ram", 0, 2),
         "section_version_wrong"},
    });
}

TEST_CASE("a section's body that is not its kind's is refused", "[wire]") {
    const auto start = [] { return Script().begun().head(kStart, 1); };
    const auto part = [] { return Script().begun().started(1).head(kPart, 1); };
    const auto full = [] { return Script().begun().started(1).head(kFull, 1); };
    const auto host = [] { return Script().begun().head(kFull, 1, "host-ram"); };
    check({
        {"unknown token", part().hex("ffffffffef100006"), "device_token_unknown"},
        {"token 0", start().hex("0000000000000000"), "device_token_unknown"},
        {"unknown token in a host section", host().hex("ffffffffef100000"), "device_token_unknown"},
        {"END_OF_STATE before SETUP", start().mark(DeviceMark::end_of_state),
         "device_token_unexpected"},
        {"SETUP twice", start().mark(DeviceMark::setup).mark(DeviceMark::setup),
         "device_token_unexpected"},
        {"data in START", start().hex("ffffffffef100004"), "device_token_unexpected"},
        {"SETUP in PART", part().mark(DeviceMark::setup), "device_token_unexpected"},
        {"config in PART", part().hex("ffffffffef100002"), "device_token_unexpected"},
        {"sized config in PART", part().hex("ffffffff4d464401"), "device_token_unexpected"},
        {"INIT_DATA_SENT in END",
         Script().begun().started(1).head(kEnd, 1).mark(DeviceMark::init_data_sent),
         "device_token_unexpected"},
        {"data in FULL", full().hex("ffffffffef100004"), "device_token_unexpected"},
        {"two configs", full().hex("ffffffff4d464401 0000000000000000 ffffffff4d464401"),
         "device_token_unexpected"},
        {"sized config too large", full().hex("ffffffff4d464401 0000000000100001"),
         "config_too_large"},
        {"host section without data", host().mark(DeviceMark::end_of_state),
         "device_token_unexpected"},
        {"host section with two",
         host().hex("ffffffffef100004 0000000000000000 "
                    "ffffffffef100004"),
         "device_token_unexpected"},
        {"host section too large", host().hex("ffffffffef100004 0000000000100001"),
         "host_section_too_large"},
        {"footer missing", part().mark(DeviceMark::end_of_state).hex("02"), "section_footer_wrong"},
        {"footer of another section", part().mark(DeviceMark::end_of_state).hex("7e 00000002"),
         "section_footer_wrong"},
        {"more after INIT_DATA_SENT",
         part().mark(DeviceMark::init_data_sent).mark(DeviceMark::end_of_state),
         "section_footer_wrong"},
    });
    check({{"sized config of a QEMU peer", full().hex("ffffffff4d464401"), "device_token_unknown"}},
          {.extensions = false});
}

TEST_CASE("a command that is not in its place is refused", "[wire]") {
    const auto loaded = [] { return Script().begun().hello().started(1).eof(); };
    check({
        {"unknown", Script().begun().command(12), "command_unknown"},
        {"id 0", Script().begun().command(0), "command_unknown"},
        {"unknown of ours", Script().begun().hello().command(0x4d07), "command_unknown"},
        {"post-copy", Script().begun().command(3, 2), "command_unexpected"},
        {"OPEN_RETURN_PATH with data", Script().begun().command(1, 1), "command_length_wrong"},
        {"PING too short", Script().begun().command(2, 3), "command_length_wrong"},
        {"PING too long", Script().begun().hex("08 0002 ffff"), "command_length_wrong"},
        {"SWITCHOVER_START with data", Script().begun().command(11, 4), "command_length_wrong"},
        {"SWITCHOVER_AT without hello", Script().begun().command(kCommandSwitchoverAt, 8),
         "command_unexpected"},
        {"SWITCHOVER_AT for no device", Script().begun().hello().command(kCommandSwitchoverAt),
         "command_length_wrong"},
        {"half a SWITCHOVER_AT entry", Script().begun().hello().command(kCommandSwitchoverAt, 12),
         "command_length_wrong"},
        {"SWITCHOVER_AT behind SWITCHOVER_START",
         Script().begun().hello().command(11).command(kCommandSwitchoverAt, 8),
         "command_unexpected"},
        {"SWITCHOVER_START behind SWITCHOVER_AT",
         Script().begun().hello().command(kCommandSwitchoverAt, 8).command(11),
         "command_unexpected"},
        {"PRE_COPY_QUERY with data", Script().begun().hello().command(kCommandPreCopyQuery, 1),
         "command_length_wrong"},
        {"PRE_COPY_QUERY after the switchover",
         Script().begun().hello().command(11).command(kCommandPreCopyQuery), "command_unexpected"},
        {"PRE_COPY_QUERY", Script().begun().hello().command(kCommandPreCopyQuery), "ok"},
        {"OPEN_RETURN_PATH late", Script().begun().started(1).command(1), "command_unexpected"},
        {"SWITCHOVER_START twice", Script().begun().command(11).command(11), "command_unexpected"},
        {"SWITCHOVER_START after EOF", Script().begun().eof().command(11), "command_unexpected"},
        {"empty hello", Script().begun().command(kCommandHello), "command_length_wrong"},
        {"hello twice", Script().begun().hello().hello(), "hello_unexpected"},
        {"hello after a section", Script().begun().started(1).hello(), "hello_unexpected"},
        {"COMMIT without hello", Script().begun().eof().command(kCommandCommit),
         "command_unexpected"},
        {"ABORT without hello", Script().begun().command(kCommandAbort), "command_unexpected"},
        {"ABORT after another PING", Script().begun().command(2, 4).command(kCommandAbort),
         "command_unexpected"},
        {"ABORT after the question for a hello",
         Script().begun().hex("08 0002 0004 4d464431").command(kCommandAbort, 9), "ok"},
        {"COMMIT before EOF", Script().begun().hello().command(kCommandCommit),
         "command_unexpected"},
        {"VERIFY before EOF", Script().begun().hello().command(kCommandVerify, 1),
         "command_unexpected"},
        {"COMMIT with data", loaded().command(kCommandCommit, 1), "command_length_wrong"},
        {"empty VERIFY", loaded().command(kCommandVerify), "command_length_wrong"},
        {"half a VERIFY entry", loaded().command(kCommandVerify, 28), "command_length_wrong"},
        {"ABORT too long", loaded().command(kCommandAbort, kPeerErrorBytesMax + 1),
         "command_length_wrong"},
        {"COMMIT twice", loaded().command(kCommandCommit).command(kCommandCommit),
         "command_unexpected"},
        {"ABORT after COMMIT", loaded().command(kCommandCommit).command(kCommandAbort),
         "command_unexpected"},
        {"ABORT between sections", Script().begun().hello().started(1).command(kCommandAbort, 9),
         "ok"},
    });
    check({{"hello of a QEMU peer", Script().begun().hello(), "command_unknown"},
           {"COMMIT of a QEMU peer", Script().begun().eof().command(kCommandCommit),
            "command_unknown"}},
          {.extensions = false});
}

TEST_CASE("the section an error stands in is named", "[wire]") {
    const auto sections = session_sections();
    const Bytes stream = Script().begun().head(SectionType::full, 5, "timer", 3, 2).stream;
    StreamParser parser(sections, {.extensions = false});
    std::size_t position = parser.parse(stream).value().consumed;
    position += parser.parse(std::span(stream).subspan(position)).value().consumed;
    CHECK(outcome(parser.parse(std::span(stream).subspan(position))) == "section_foreign");
    CHECK(parser.section().idstr == "timer");
    CHECK(parser.section().instance_id == 3);
}

TEST_CASE("a stream cannot start more sections than the parser has room for", "[wire]") {
    class AllDevices final : public SectionClassifier {
      public:
        [[nodiscard]] SectionKind kind_of(std::string_view, std::uint32_t) const noexcept override {
            return SectionKind::device;
        }
    };
    Script script;
    script.begun();
    for (std::uint32_t id = 0; id <= StreamParser::kSectionsMax; ++id) {
        script.head(SectionType::start, id, "d", id).mark(DeviceMark::setup).end(id);
    }
    const Received received = receive(script.stream, AllDevices());
    CHECK(received.end == "sections_too_many");
    CHECK(received.events.size() == 2 + 4 * StreamParser::kSectionsMax);
}
