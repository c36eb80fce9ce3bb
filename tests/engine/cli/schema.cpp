#include "tests/engine/cli/schema.hpp"

#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {

std::string schema_faults(std::string_view schema, std::string_view document) {
    const TemporaryFolder folder;
    write_text(folder / "document.json", document);
    ProcessSettings settings;
    settings.arguments = {
        "/usr/bin/python3", MULTIFD_SOURCE_FOLDER "/tests/support/validate_report.py",
        MULTIFD_SOURCE_FOLDER "/config/" + std::string(schema), folder / "document.json"};
    settings.standard_output = folder / "output";
    settings.standard_error = folder / "errors";
    const ProcessEnd end = run_process(settings, std::chrono::seconds(60));
    const std::string said = read_text(folder / "output") + read_text(folder / "errors");
    return end.exit_code == 0 ? said : "ended with " + std::to_string(end.exit_code) + ": " + said;
}

}  // namespace multifd
