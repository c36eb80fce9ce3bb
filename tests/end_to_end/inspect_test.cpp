// multifd inspect: every recording reads to its end, and what it extracts is what another reader
// extracts.
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "tests/end_to_end/recordings.hpp"

namespace multifd {
namespace {

/// Every file of a folder by name, in words that a failed CHECK can show.
std::map<std::string, std::string> digest_of(const std::filesystem::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        const std::string content = read_text(entry.path());
        files[entry.path().filename()] = std::to_string(content.size()) + " bytes, hash " +
                                         std::to_string(std::hash<std::string>()(content));
    }
    return files;
}

}  // namespace

TEST_CASE("inspect reads every recording to its end", "[end_to_end]") {
    const auto recording = GENERATE(from_range(recordings()));
    CAPTURE(recording);
    const CommandEnd text = run_command({"inspect", recording});
    INFO(describe("inspect", text));
    CHECK(text.exit_code == 0);
    CHECK(text.standard_output.find("vfio") != std::string::npos);
    const CommandEnd json = run_command({"inspect", recording, "--json"});
    INFO(describe("inspect --json", json));
    CHECK(json.exit_code == 0);
    CHECK(JsonReport::parse(json.standard_output).has_value());
}

TEST_CASE("inspect extracts what an independent reading extracts", "[end_to_end]") {
    const auto recording = GENERATE(from_range(recordings()));
    CAPTURE(recording);
    const TemporaryFolder folder;
    const CommandEnd end = run_command({"inspect", recording, "--extract", folder / "extracted"});
    INFO(describe("inspect", end));
    CHECK(end.exit_code == 0);
    read_independently("extract", recording, folder / "expected");
    const auto expected = digest_of(folder / "expected");
    CHECK_FALSE(expected.empty());
    CHECK(digest_of(folder / "extracted") == expected);
}

TEST_CASE("inspect takes single files", "[end_to_end]") {
    const std::string recording = recording_named("q10-mtty-1dev-2ch");
    const CommandEnd end = run_command({"inspect", recording + "/conn-1-src2dst.bin"});
    INFO(describe("inspect", end));
    CHECK(end.exit_code == 0);
    CHECK(end.standard_output.find("0000:00:04.0/vfio") != std::string::npos);
}

TEST_CASE("inspect says where a recording breaks off or contradicts itself", "[end_to_end]") {
    const TemporaryFolder folder;
    auto bytes = read_bytes(recording_named("q10-mtty-1dev-2ch") + "/conn-1-src2dst.bin");
    const bool cut = GENERATE(true, false);
    CAPTURE(cut);
    if (cut) {
        bytes.resize(bytes.size() - 100);
    } else {
        bytes[64] = std::byte{0};  // The first packet's magic.
    }
    write_bytes(folder / "broken.bin", bytes);
    const CommandEnd end = run_command({"inspect", folder / "broken.bin"});
    INFO(describe("inspect", end));
    const std::string said = end.standard_output + end.standard_error;
    CHECK(said.find(cut ? "channel_closed_early" : "packet_magic_wrong") != std::string::npos);
}

TEST_CASE("inspect of what is not there is an error in one line", "[end_to_end]") {
    const CommandEnd end = run_command({"inspect", "/nonexistent/recording"});
    INFO(describe("inspect", end));
    CHECK(end.exit_code != 0);
    CHECK(end.standard_error.find("/nonexistent/recording") != std::string::npos);
}

}  // namespace multifd
