// multifd check: a device, taken through what a migration will ask of it.
#include <filesystem>
#include <stop_token>

#include "engine/cli/check/event_commands.hpp"
#include "engine/cli/check/output.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/run_settings.hpp"
#include "engine/cli/scratch_folder.hpp"
#include "engine/cli/subcommands.hpp"
#include "multifd/conformance.hpp"

namespace multifd {
namespace {

using checking::CheckOutcome;

DeviceEntry make_described(const DeviceSpec& spec, const std::string& where, Role role) {
    try {
        return make_device(spec, role);
    } catch (const UsageError& error) {
        throw UsageError(where + ": " + error.what());
    }
}

/// Makes the devices of each repetition anew, as the command line describes them.
class DescribedDevices {
  public:
    explicit DescribedDevices(const RunSettings& settings) {
        if (settings.devices.size() != 1) {
            throw UsageError("check needs one --device KIND,key=value,...");
        }
        source_ = settings.devices.front();
        const std::string& text = settings.command.check.destination_device;
        if (text.empty()) return;
        const std::string where = "--destination-device " + text;
        try {
            destination_ = DescribedDevice{parse_device_spec(text), where};
        } catch (const UsageError& error) {
            throw UsageError(where + ": " + error.what());
        }
    }

    [[nodiscard]] CheckedDevices make() const {
        const auto source = make_described(source_.spec, source_.where, Role::source).device;
        if (!destination_) return {source, source};
        const DescribedDevice& other = *destination_;
        return {source, make_described(other.spec, other.where, Role::destination).device,
                [other] { return make_described(other.spec, other.where, Role::source).device; }};
    }

    /// What the description says: no device is opened for it. Empty without one, which make()
    /// refuses.
    [[nodiscard]] std::string idstr() const {
        for (const auto& [key, value] : source_.spec.values) {
            if (key == "idstr") return value;
        }
        return {};
    }

  private:
    DescribedDevice source_;
    std::optional<DescribedDevice> destination_;
};

void require_writable(const std::string& target, const char* what) {
    if (target.empty()) return;
    const std::error_code error = check_result_target(target);
    if (!error) return;
    throw StartFailure(Errc::output_failed, std::string(what) + " cannot be written to " + target +
                                                ": " + error.message());
}

/// What a failure left, in files; the folder's path, or empty when it could not be kept.
std::string keep(const CheckFailure& failure, const std::string& folder, Console& console) {
    try {
        std::string path = folder;
        if (path.empty()) {
            ScratchFolder fresh("multifd-check");
            fresh.keep();
            path = fresh.path();
        }
        std::filesystem::create_directories(path);
        std::string calls = failure.item + ": " + failure.reason + "\n";
        for (const std::string& call : failure.calls) calls += call + "\n";
        const auto write = [&path](const char* name, std::span<const std::byte> bytes) {
            const std::error_code error =
                replace_file((std::filesystem::path(path) / name).string(), {bytes});
            if (error) throw std::system_error(error, path + "/" + name);
        };
        write("calls.txt", std::as_bytes(std::span(calls)));
        write("source.state", failure.state);
        write("source.config", failure.config);
        write("loaded.state", failure.loaded_state);
        write("loaded.config", failure.loaded_config);
        return path;
    } catch (const std::exception& error) {
        complain(console, std::string("what the failure left cannot be kept: ") + error.what());
        return {};
    }
}

int exit_code_of_check(CheckResult result) {
    switch (result) {
        case CheckResult::passed:
            return static_cast<int>(ExitCode::completed);
        case CheckResult::failed:
            return static_cast<int>(ExitCode::device_failed);
        case CheckResult::skipped:
            return static_cast<int>(ExitCode::cancelled);
    }
    return static_cast<int>(ExitCode::internal);
}

/// False when it could not be written, which has been said.
bool deliver(const std::string& target, const std::string& text, Console& console) {
    if (target.empty()) return true;
    const std::error_code error = write_result(target, text);
    if (error) complain(console, target + " cannot be written: " + error.message());
    return !error;
}

int deliver_all(const CheckOutcome& outcome, const CommandSettings& settings, Console& console) {
    bool delivered = deliver(settings.json, check_json(outcome), console);
    delivered = deliver(settings.check.junit, check_junit(outcome), console) && delivered;
    if (settings.json != "-" && !settings.quiet) {
        delivered = deliver("-", check_text(outcome), console) && delivered;
    } else if (settings.quiet && outcome.report.failure) {
        complain(console, outcome.report.failure->item + ": " + outcome.report.failure->reason);
    }
    if (delivered || outcome.exit_code != 0) return outcome.exit_code;
    return static_cast<int>(exit_code_of(Errc::output_failed));
}

/// While it lives the first signal ends the check, and the second the process.
class StopsAtSignal {
  public:
    StopsAtSignal(Signals& signals, std::stop_source& stop) : signals_(signals) {
        signals_.handle([&stop](int signal, int count) -> std::optional<std::chrono::milliseconds> {
            if (count > 1) return leave_at_once(signal, count);
            stop.request_stop();
            return std::nullopt;
        });
    }
    ~StopsAtSignal() { signals_.handle(leave_at_once); }
    StopsAtSignal(const StopsAtSignal&) = delete;
    StopsAtSignal& operator=(const StopsAtSignal&) = delete;

  private:
    Signals& signals_;
};

}  // namespace

int check(const Arguments& arguments, CommandContext& context) {
    const RunSettings settings = settle(arguments);
    const checking::Choices& choices = settings.command.check;
    const DescribedDevices devices(settings);
    if (!choices.junit.empty() && choices.junit == settings.command.json) {
        throw UsageError("--json and --junit both write " + choices.junit +
                         "; give each a file of its own");
    }
    require_writable(settings.command.json, "the report");
    require_writable(choices.junit, "the JUnit report");

    std::stop_source stop;
    const checking::EventCommands commands(choices.on, settings.command.source.stall_timeout,
                                           stop.get_token());
    CheckSettings check_settings;
    check_settings.items = choices.items;
    check_settings.repetitions = choices.repeat;
    check_settings.call_timeout = settings.command.source.stall_timeout;
    check_settings.state_bytes_max = choices.max_state;
    if (!choices.dma_ranges.empty()) check_settings.dma_ranges = choices.dma_ranges;
    check_settings.stop = stop.get_token();
    check_settings.on_event = [&commands](CheckEvent event, std::string_view item) {
        return commands.run(event, item);
    };
    check_settings.on_item = [&context](const CheckedItem& item) {
        context.console.show_live("repetition " + std::to_string(item.repetition) + ": " +
                                  std::string(item.item.name) + " " +
                                  std::string(to_string(item.result)));
    };

    CheckOutcome outcome;
    outcome.idstr = devices.idstr();
    {
        const StopsAtSignal stops(context.signals, stop);
        outcome.report = check_conformance([&devices] { return devices.make(); }, check_settings);
    }
    context.console.clear_live();
    outcome.exit_code = exit_code_of_check(outcome.report.result);
    if (outcome.report.failure) {
        outcome.kept = keep(*outcome.report.failure, choices.keep, context.console);
    }
    return deliver_all(outcome, settings.command, context.console);
}

}  // namespace multifd
