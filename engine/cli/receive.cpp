// multifd receive: the destination's end.
#include "engine/cli/receive.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

#include "channels/transport/address.hpp"
#include "engine/cli/migration_run.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/subcommands.hpp"
#include "engine/devices/device_options.hpp"
#include "multifd/destination.hpp"

namespace multifd {
namespace {

constexpr std::chrono::milliseconds kAskAgain{50};

std::vector<std::string> addresses_of(const ListenerSettings& settings) {
    auto all = settings.also_listen;
    all.insert(all.begin(), settings.listen);
    return all;
}

void warn_if_exposed(const ListenerSettings& settings, ConsoleLog& log) {
    const auto all = addresses_of(settings);
    const auto exposed = std::ranges::find_if(all, [](const std::string& text) {
        const auto address = parse_address(text);
        return !address || !is_loopback(*address);
    });
    if (exposed == all.end()) return;
    log.line({LogLevel::warning, "", "listener", "",
              "whoever can reach " + *exposed +
                  " can send device state here: connections are neither encrypted nor "
                  "authenticated"});
}

/// Says where it listens, on stderr and, for scripts, in the file they named, a line each.
void announce(const Listener& listener, const RunSettings& settings, ConsoleLog& log) {
    std::string lines;
    for (const auto& address : listener.addresses()) {
        log.line({LogLevel::info, "", "listener", "", "listening on " + address});
        lines += address + "\n";
    }
    const std::string& file = settings.command.address_file;
    if (file.empty()) return;
    const std::error_code error = write_result(file, lines);
    if (error) {
        throw StartFailure(Errc::output_failed,
                           "the address cannot be written to " + file + ": " + error.message());
    }
}

/// A signal that comes while a UNIX socket's file appears waits until somebody can remove it.
Listener open_listener(const RunSettings& settings, CommandContext& context, ConsoleLog& log) {
    const auto all = addresses_of(settings.command.listener);
    const bool leaves_file = std::ranges::any_of(all, [](const std::string& text) {
        const auto address = parse_address(text);
        return address && address->family == Address::Family::unix_path;
    });
    if (leaves_file) context.signals.handle(wait_for_the_next_action());
    try {
        return Listener(settings.command.listener, log.sink());
    } catch (const std::system_error& error) {
        throw StartFailure(Errc::listen_failed, std::string("cannot listen on ") + error.what());
    }
}

void say_what_was_left(const std::vector<DeviceEntry>& devices, ConsoleLog& log) {
    for (const std::string& line : clear_leftovers(devices)) {
        log.line({LogLevel::warning, "", "destination", "", line});
    }
}

MigrationEnd destination_end(Destination& destination, Listener& listener) {
    return {
        .role = Role::destination,
        .run = [&] { return destination.run(listener); },
        .cancel = [&destination] { return destination.cancel(); },
        .statistics = [&destination] { return destination.statistics(); },
        .abandon = [&listener] { listener.remove_file(); },
    };
}

/// Ends what signals do before that dangles; the process is about to end.
struct SignalsIgnored {
    explicit SignalsIgnored(Signals& caught) : signals(caught) {}
    ~SignalsIgnored() { signals.handle(nullptr); }
    SignalsIgnored(const SignalsIgnored&) = delete;
    SignalsIgnored& operator=(const SignalsIgnored&) = delete;

    Signals& signals;
};

/// One migration through `listener`; a signal that meets it sets `stopping`.
RunOutcome take_one(Listener& listener, const RunSettings& settings, CommandContext& context,
                    ConsoleLog& log, const Signals::Action& afterwards,
                    std::atomic<bool>& stopping) {
    std::vector<DeviceEntry> devices = make_devices(settings, Role::destination);
    say_what_was_left(devices, log);
    Destination destination(settings.command.destination, std::move(devices), nullptr, log.sink());
    MigrationEnd end = destination_end(destination, listener);
    end.cancel = [&destination, &stopping] {
        stopping = true;
        return destination.cancel();
    };
    return run_to_its_end(end, settings, context, log, afterwards);
}

/// Takes one migration after the other. A signal ends that: while none runs at once, else as soon
/// as the one that runs has ended, which it cancels.
int serve(Listener& listener, const RunSettings& settings, CommandContext& context,
          ConsoleLog& log) {
    std::atomic<bool> stopping = false;  // Publishes nothing but itself.
    const SignalsIgnored afterwards{context.signals};
    // Comes again until a migration takes it, so that no signal is lost between two.
    const Signals::Action between = [&listener, &stopping](int signal, int count) {
        if (count > 1) {
            listener.remove_file();
            ::_exit(128 + signal);
        }
        stopping = true;
        return std::optional(kAskAgain);
    };
    for (std::uint64_t number = 1;; ++number) {
        context.target = served_report_target(settings.command.json, number);
        context.samples = served_file(settings.command.samples, number);
        context.signals.handle(between);
        const RunOutcome outcome = take_one(listener, settings, context, log, between, stopping);
        const bool nobody_came = ended_while_waiting(outcome.report);
        if (nobody_came && outcome.report.status == Status::cancelled) {
            log.line({LogLevel::info, "", "listener", "",
                      "told to end after " + std::to_string(number - 1) + " migrations"});
            return 0;
        }
        const int reported = deliver_report(context.console, context.target, outcome);
        const int printed = print_outcome(outcome, settings, context);
        const int exit_code = reported != 0 ? reported : printed;
        // What kept it from waiting would keep it from waiting again.
        if (stopping || nobody_came) return exit_code;
        // Fresh devices would throw away a state that may be the only one there is.
        if (outcome.report.status == Status::unknown_owner) return exit_code;
    }
}

}  // namespace

bool ended_while_waiting(const Report& report) {
    return report.error && report.error->phase == to_string(Status::none);
}

ReportTarget served_report_target(const std::string& json, std::uint64_t number) {
    const std::string file = served_file(json, number);
    return {file, Role::destination, file == json};
}

std::string served_file(const std::string& file, std::uint64_t number) {
    if (file.empty() || is_result_stream(file)) return file;
    const std::filesystem::path path(file);
    std::filesystem::path name = path.stem();
    name += "-" + std::to_string(number);
    name += path.extension();
    return (path.parent_path() / name).string();
}

int receive(const Arguments& arguments, CommandContext& context) {
    const RunSettings settings = settle(arguments);
    take_report_target(context, settings.command.json);
    take_samples_target(context, settings.command.samples);
    ConsoleLog log(context.console, settings.log_choice());
    warn_if_exposed(settings.command.listener, log);
    // What is wrong with them is said before anybody can connect.
    std::vector<DeviceEntry> devices = make_devices(settings, Role::destination);
    Listener listener = open_listener(settings, context, log);
    context.signals.handle(end_before_it_began(context.console, context.target,
                                               [&listener] { listener.remove_file(); }));
    try {
        if (settings.command.serve) {
            devices.clear();  // Each migration makes its own.
            announce(listener, settings, log);
            return serve(listener, settings, context, log);
        }
        say_what_was_left(devices, log);
        Destination destination(settings.command.destination, std::move(devices), nullptr,
                                log.sink());
        announce(listener, settings, log);
        return run_migration(destination_end(destination, listener), settings, context, log);
    } catch (...) {
        // What acts on a signal now would find the listener gone.
        context.signals.handle(wait_for_the_next_action());
        throw;
    }
}

}  // namespace multifd
