// multifd inspect: what a recorded migration holds, and what is wrong with it.
#include "engine/cli/inspect_extract.hpp"
#include "engine/cli/inspect_output.hpp"
#include "engine/cli/recording_files.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/run_settings.hpp"
#include "engine/cli/subcommands.hpp"

namespace multifd {
namespace {

void print(std::string_view text) {
    const std::error_code error = write_result("-", text);
    if (error) throw StartFailure(Errc::output_failed, "standard output: " + error.message());
}

}  // namespace

int inspect(const Arguments& arguments, CommandContext& context) {
    const RunSettings settings = settle(arguments);
    context.signals.handle(leave_at_once);
    if (arguments.positionals.empty()) throw UsageError("inspect needs a RECORDING");
    const RecordingFiles recording = RecordingFiles::open(arguments.positionals);

    // From here on the document on standard output has begun: failures are part of it.
    context.target.json.clear();
    const auto printer =
        settings.command.json_flag ? make_json_printer(print) : make_text_printer(print);
    const Inspection inspection = inspect_recording(recording.files(), *printer);
    InspectionEnd end{inspection, {}, {}};
    if (!settings.command.extract.empty()) {
        try {
            end.extracted = extract_devices(inspection, settings.command.extract);
        } catch (const StartFailure& failure) {
            end.extract_error = failure.what();
        }
    }
    printer->finish(end);
    if (end.extract_error) {
        complain(context.console, *end.extract_error);
        return static_cast<int>(exit_code_of(Errc::output_failed));
    }
    return static_cast<int>(inspection.has_errors() ? ExitCode::protocol_violation
                                                    : ExitCode::completed);
}

}  // namespace multifd
