#include "engine/cli/tune/output_folder.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "engine/cli/command_context.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/tune/report_page.hpp"
#include "engine/cli/tune/results_text.hpp"
#include "engine/devices/device_options.hpp"

namespace multifd::tuning {
namespace {

namespace fs = std::filesystem;

constexpr std::array kFiles{"results.json", "results.csv", "best.toml", "report.html"};

[[noreturn]] void refuse(const std::string& folder, const std::error_code& error) {
    throw StartFailure(Errc::output_failed,
                       "the results cannot be written to " + folder + ": " + error.message());
}

}  // namespace

void prepare_output_folder(const std::string& folder, bool replace) {
    std::error_code error;
    if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
        throw UsageError("--out " + folder + " is no folder");
    }
    for (const char* name : kFiles) {
        if (replace || !fs::exists(fs::path(folder) / name, error)) continue;
        throw UsageError("--out " + folder + " holds the results of an earlier tuning (" + name +
                         "): give --force to replace them, or another folder");
    }
    fs::create_directories(folder, error);
    if (error) refuse(folder, error);
    if (::access(folder.c_str(), W_OK | X_OK) == 0) return;
    refuse(folder, {errno, std::generic_category()});
}

std::string write_results(const std::string& folder, const Results& results) {
    const std::array<std::string, kFiles.size()> texts{
        results_json(results), results_csv(results), best_settings(results), report_page(results)};
    std::string problems;
    for (std::size_t index = 0; index < kFiles.size(); ++index) {
        const std::string path = fs::path(folder) / kFiles[index];
        std::error_code error;
        // Without a best there is no file, nor one of an earlier tuning.
        if (texts[index].empty()) {
            fs::remove(path, error);
        } else {
            error = write_result(path, texts[index]);
        }
        if (!error) continue;
        problems += (problems.empty() ? "" : "; ") + path + ": " + error.message();
    }
    return problems;
}

}  // namespace multifd::tuning
