// multifd receive: the destination's end.
#include "channels/transport/address.hpp"
#include "engine/cli/migration_run.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/subcommands.hpp"
#include "multifd/destination.hpp"

namespace multifd {
namespace {

void warn_if_exposed(const std::string& address, ConsoleLog& log) {
    const auto parsed = parse_address(address);
    if (parsed && is_loopback(*parsed)) return;
    log.line({LogLevel::warning, "", "listener", "",
              "whoever can reach " + address +
                  " can send device state here: connections are neither encrypted nor "
                  "authenticated"});
}

/// Says where it listens, on stderr and, for scripts, in the file they named.
void announce(const std::string& address, const RunSettings& settings, ConsoleLog& log) {
    log.line({LogLevel::info, "", "listener", "", "listening on " + address});
    const std::string& file = settings.command.address_file;
    if (file.empty()) return;
    const std::error_code error = write_result(file, address + "\n");
    if (error) {
        throw StartFailure(Errc::output_failed,
                           "the address cannot be written to " + file + ": " + error.message());
    }
}

Listener open_listener(const RunSettings& settings, ConsoleLog& log) {
    try {
        return Listener(settings.command.listener, log.sink());
    } catch (const std::system_error& error) {
        throw StartFailure(
            Errc::listen_failed,
            "cannot listen on " + settings.command.listener.listen + ": " + error.code().message());
    }
}

}  // namespace

int receive(const Arguments& arguments, CommandContext& context) {
    RunSettings settings = settle(arguments);
    take_report_target(context, settings.command.json);
    ConsoleLog log(context.console, settings.log_choice());
    warn_if_exposed(settings.command.listener.listen, log);
    Destination destination(settings.command.destination, make_devices(settings, Role::destination),
                            nullptr, log.sink());
    Listener listener = open_listener(settings, log);
    announce(listener.address(), settings, log);
    const MigrationEnd end{
        .role = Role::destination,
        .run = [&] { return destination.run(listener); },
        .cancel = [&destination] { return destination.cancel(); },
        .statistics = [&destination] { return destination.statistics(); },
    };
    return run_migration(end, std::move(settings), context, log);
}

}  // namespace multifd
