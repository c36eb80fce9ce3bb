// multifd send: the source's end.
#include "engine/cli/migration_run.hpp"
#include "engine/cli/subcommands.hpp"
#include "multifd/source.hpp"

namespace multifd {

int send(const Arguments& arguments, CommandContext& context) {
    const RunSettings settings = settle(arguments);
    take_report_target(context, settings.command.json);
    take_samples_target(context, settings.command.samples);
    ConsoleLog log(context.console, settings.log_choice());
    Source source(settings.command.source, make_devices(settings, Role::source), nullptr,
                  log.sink());
    const MigrationEnd end{
        .role = Role::source,
        .run = [&source] { return source.run(); },
        .cancel = [&source] { return source.cancel(); },
        .statistics = [&source] { return source.statistics(); },
    };
    return run_migration(end, settings, context, log);
}

}  // namespace multifd
