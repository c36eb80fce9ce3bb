// What an inspection writes: extracted files, text, JSON; and where it finds a recording's files.
#include "engine/cli/inspect_output.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "engine/cli/command_context.hpp"
#include "engine/cli/recording_files.hpp"
#include "tests/engine/cli/recording_fixture.hpp"
#include "tests/support/report_reader.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {

using namespace recorded;

TEST_CASE("what is extracted is the state in order, the config and the pre-copy data", "[cli]") {
    const TemporaryFolder folder;
    const std::string target = folder / "made/here";
    const std::string name = target + "/gpu%2F0.0";
    SECTION("over the channels") {
        const Bytes channel =
            ChannelRecording().state(1, "de").state(0, "abc").config(2, "settings").bytes;
        const std::vector<Bytes> recording{main_channel("", "early"), channel};
        extract_devices(inspect(recording), target);
        CHECK(read_text(name + ".state") == "abcde");
        CHECK(read_text(name + ".config") == "settings");
        CHECK(read_text(name + ".precopy") == "early");
    }
    SECTION("down the main channel") {
        const std::vector<Bytes> recording{main_channel("main-state")};
        extract_devices(inspect(recording), target);
        CHECK(read_text(name + ".state") == "main-state");
        CHECK(read_text(name + ".config") == "main-config");
        CHECK_FALSE(std::filesystem::exists(name + ".precopy"));
    }
    SECTION("a state with a gap is not passed off as whole") {
        const std::vector<Bytes> recording{
            ChannelRecording().state(0, "ab").state(2, "ef").config(3, "c").bytes};
        extract_devices(inspect(recording), target);
        CHECK_FALSE(std::filesystem::exists(name + ".state"));
        CHECK(read_text(name + ".state.incomplete") == "abef");
    }
    SECTION("a folder that cannot be made is an error") {
        write_text(folder / "made", "a file");
        const std::vector<Bytes> recording{good_channel().bytes};
        CHECK_THROWS_AS(extract_devices(inspect(recording), target), StartFailure);
    }
}

TEST_CASE("no device's name leads out of the folder, or into another device's file", "[cli]") {
    CHECK(extracted_name({"../../etc/passwd", 1}) == "..%2F..%2Fetc%2Fpasswd.1");
    CHECK(extracted_name({"..", 0}) == "...0");
    CHECK(extracted_name({"a b\n\xff%41", 7}) == "a%20b%0A%FF%2541.7");
    CHECK(extracted_name({"Az09.-_", 0}) == "Az09.-%5F.0");
    const TemporaryFolder folder;
    const std::vector<Bytes> recording{
        ChannelRecording().state(0, "x", "../out").config(1, "c", "../out").bytes};
    extract_devices(inspect(recording), folder / "in");
    CHECK(read_text(folder / "in/..%2Fout.0.state") == "x");
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path()),
                        std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("an inspection prints as text and as one JSON document", "[cli]") {
    const std::vector<Bytes> recording{
        main_channel(), return_path(),
        ChannelRecording().state(0, "a", "g\x1b\xff").config(2, "c", "g\x1b\xff").bytes};
    const std::vector<RecordedFile> files{
        {"main", recording[0]}, {"back", recording[1]}, {"channel", recording[2]}};
    std::string text;
    const auto text_printer = make_text_printer([&](std::string_view piece) { text += piece; });
    const Inspection first = inspect_recording(files, *text_printer);
    text_printer->finish({first, {}, {}});
    CAPTURE(text);
    CHECK_THAT(text, Catch::Contains("channel: channel, "));
    CHECK_THAT(text, Catch::Contains("device-state idstr=g?"));
    CHECK_THAT(text, Catch::Contains("error idx_gap: 1 idx missing: 1, device g?"));
    CHECK(text.find('\x1b') == std::string::npos);

    std::string written;
    const auto json_printer = make_json_printer([&](std::string_view piece) { written += piece; });
    const Inspection second = inspect_recording(files, *json_printer);
    json_printer->finish({second, {{"x", 3}}, "full"});
    const auto document = JsonReport::parse(written);
    REQUIRE(document.has_value());
    CHECK(document->text("schema") == "multifd-inspection/1");
    CHECK(document->size("files") == 3);
    CHECK(document->text("files.2.kind") == "channel");
    CHECK(document->text("files.2.records.0.kind") == "INIT");
    CHECK(document->number("files.2.records.2.idx") == 2);
    CHECK(document->flag("files.2.records.2.config"));
    CHECK(document->text("findings.0.code") == "idx_gap");
    CHECK(document->number("extracted.0.bytes") == 3);
    CHECK(document->text("error") == "full");
}

TEST_CASE("a recording's files are found by their numbers", "[cli]") {
    const TemporaryFolder folder;
    for (const auto* name : {"conn-10-src2dst.bin", "conn-9-src2dst.bin", "conn-9-dst2src.bin",
                             "conn-x-src2dst.bin", "conn-1-src2dst.bin.old", "arrival.log"}) {
        write_text(folder / name, "x");
    }
    const RecordingFiles recording = RecordingFiles::open({folder.path()});
    std::vector<std::string> names;
    for (const RecordedFile& file : recording.files()) names.push_back(file.name);
    CHECK(names == std::vector<std::string>{"conn-9-src2dst.bin", "conn-9-dst2src.bin",
                                            "conn-10-src2dst.bin"});
}

TEST_CASE("a recording that is not there is recording_unreadable, with its path", "[cli]") {
    const TemporaryFolder folder;
    for (const std::string& path :
         {folder / "missing", folder.path().string(), std::string("/dev/null")}) {
        CAPTURE(path);
        try {
            RecordingFiles::open({path});
            FAIL("was opened");
        } catch (const StartFailure& failure) {
            CHECK(failure.code() == Errc::recording_unreadable);
            CHECK_THAT(failure.what(), Catch::Contains(path));
        }
    }
}

}  // namespace multifd
