// multifd status: who owns the devices, by what the ends have put on record.
#include <unistd.h>

#include "engine/cli/record_listing.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/run_settings.hpp"
#include "engine/cli/subcommands.hpp"

namespace multifd {
namespace {

int print(const std::string& text) {
    const std::error_code error = write_result("-", text);
    if (error) throw StartFailure(Errc::output_failed, "standard output: " + error.message());
    return static_cast<int>(ExitCode::completed);
}

}  // namespace

int status(const Arguments& arguments, CommandContext& context) {
    const RunSettings settings = settle(arguments);
    context.signals.handle(leave_at_once);
    if (arguments.positionals.size() > 1) throw UsageError("status takes at most one SESSION");
    const std::string session = arguments.positionals.empty() ? "" : arguments.positionals.front();
    const std::string& folder = settings.command.source.state_dir;
    if (folder.empty()) throw UsageError("there is no home to keep records in: give --state-dir");

    const Result<RecordFolder> records = read_all(folder);
    if (!records) {
        throw StartFailure(records.error(), "the records in " + folder + " cannot be read");
    }
    const RecordListing listing = list_sessions(folder, *records, session);
    const bool nothing = listing.sessions.empty() && listing.damaged.empty();
    if (nothing && !session.empty()) {
        throw StartFailure(Errc::unknown_owner,
                           "no record of session " + session + " in " + folder);
    }
    return print(settings.command.json_flag ? listing_json(listing) : listing_text(listing));
}

}  // namespace multifd
