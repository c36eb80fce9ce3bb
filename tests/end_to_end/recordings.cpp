#include "tests/end_to_end/recordings.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

namespace multifd {
namespace {

const std::string kFolder = MULTIFD_SOURCE_FOLDER "/tests/captures";

}  // namespace

std::vector<std::string> recordings() {
    std::vector<std::string> result;
    for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
        if (entry.is_directory()) result.push_back(entry.path());
    }
    std::ranges::sort(result);
    REQUIRE_FALSE(result.empty());
    return result;
}

std::string recording_named(const std::string& name) {
    return kFolder + "/" + name;
}

JsonReport read_independently(const std::string& mode, const std::string& recording,
                              const std::string& target) {
    const TemporaryFolder folder;
    ProcessSettings settings;
    settings.arguments = {"/usr/bin/python3",
                          MULTIFD_SOURCE_FOLDER "/tests/support/independent_reader.py", mode,
                          recording, target};
    settings.standard_output = folder / "output";
    settings.standard_error = folder / "errors";
    const ProcessEnd end = run_process(settings, kHangLimit);
    INFO(read_text(folder / "errors"));
    REQUIRE(end.exit_code == 0);
    const auto summary = JsonReport::parse(read_text(folder / "output"));
    REQUIRE(summary.has_value());
    return *summary;
}

}  // namespace multifd
