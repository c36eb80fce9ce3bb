#include "engine/cli/run_settings.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "channels/transport/address.hpp"
#include "channels/wire/ids.hpp"
#include "channels/wire/limits.hpp"
#include "engine/cli/settings_file.hpp"
#include "engine/ownership/session_record.hpp"

namespace multifd {
namespace {

using Origins = std::map<const CommandOption*, SettingOrigin>;

Role role_of(Subcommand subcommand) {
    return subcommand == Subcommand::receive ? Role::destination : Role::source;
}

/// `written` is how the user named the option.
void apply(CommandSettings& settings, const GivenOption& given, const std::string& written,
           SettingOrigin origin, Origins& origins) {
    const CommandOption& option = *given.option;
    const auto before = origins.find(&option);
    // What the command line says takes the place of everything the file says of it.
    const bool first = before == origins.end() || before->second != origin;
    if (option.repeatable() && first) option.forget(settings);
    try {
        option.apply(settings, given.value);
    } catch (const UsageError& error) {
        throw UsageError(written + " \"" + given.value + "\" " + error.what());
    }
    origins[&option] = origin;
}

/// "memory,idstr=gpu0,size=1GiB": as it would stand on a command line.
std::string text_of(const DeviceSpec& spec) {
    std::string text = spec.kind;
    for (const auto& [key, value] : spec.values) {
        text += "," + key + "=";
        for (const char letter : value) text += letter == ',' ? ",," : std::string(1, letter);
    }
    return text;
}

SettingOrigin origin_of(const Origins& origins, const CommandOption* option) {
    const auto found = origins.find(option);
    return found == origins.end() ? SettingOrigin::default_value : found->second;
}

bool given(const Origins& origins, Subcommand subcommand, std::string_view name) {
    return origins.contains(find_option(subcommand, name));
}

void require_ends(Subcommand subcommand, const RunSettings& settings) {
    const bool send = subcommand == Subcommand::send;
    const std::string name(to_string(subcommand));
    const std::string& address =
        send ? settings.command.source.to : settings.command.listener.listen;
    if (address.empty()) {
        throw UsageError(name + (send ? " needs --to ADDRESS" : " needs --listen ADDRESS"));
    }
    if (settings.devices.empty()) {
        throw UsageError(name + " needs at least one --device KIND,key=value,...");
    }
    if (!send) return;
    std::vector<std::string> all = settings.command.source.also_to;
    all.insert(all.begin(), address);
    for (const std::string& to : all) {
        const auto parsed = parse_address(to);
        if (parsed && parsed->family == Address::Family::tcp && parsed->port == 0) {
            throw UsageError("--to \"" + to + "\" names no port: 0 is for --listen");
        }
    }
}

/// What only a QEMU stream carries would be lost without a word.
void require_qemu_for_guest_options(const CommandSettings& command, const Origins& origins) {
    if (command.source.peer == Peer::qemu) return;
    for (const std::string_view name : {"machine", "uuid"}) {
        if (!given(origins, Subcommand::send, name)) continue;
        throw UsageError("--" + std::string(name) +
                         " is for a QEMU destination alone: add --peer qemu, or leave it out");
    }
}

void settle_channels(Subcommand subcommand, CommandSettings& command, const Origins& origins) {
    if (!given(origins, subcommand, "multifd-channels")) return;
    const bool qemu_destination =
        subcommand == Subcommand::receive && command.destination.peer == Peer::qemu;
    if (command.destination.multifd_channels == 0 && !qemu_destination) {
        throw UsageError(
            "--multifd-channels 0 is for receive --peer qemu alone: give a number from 1 to 255");
    }
}

/// The memory bound holds at least one packet of the largest size. Without a size of its own the
/// destination agrees to no packet that would not fit.
void settle_packet_size(CommandSettings& command, const Origins& origins) {
    DestinationSettings& settings = command.destination;
    if (settings.packet_size_max <= settings.max_queued_bytes) return;
    if (given(origins, Subcommand::receive, "max-packet-size")) {
        throw UsageError("--max-queued-bytes is below one packet of --max-packet-size");
    }
    settings.packet_size_max = settings.max_queued_bytes / limits::kPageBytes * limits::kPageBytes;
}

std::vector<EffectiveSetting> effective(Subcommand subcommand, const RunSettings& settings,
                                        const Origins& origins) {
    std::vector<EffectiveSetting> list;
    for (const CommandOption& option : command_options()) {
        if (!option.of(subcommand)) continue;
        const SettingOrigin origin = origin_of(origins, &option);
        if (option.name == "device") {
            std::vector<std::string> texts;
            for (const DescribedDevice& device : settings.devices) {
                texts.push_back(text_of(device.spec));
            }
            list.push_back({std::string(option.name), std::move(texts), origin});
        } else if (option.show != nullptr) {
            list.push_back({std::string(option.name),
                            option.show(settings.command, role_of(subcommand)), origin});
        }
    }
    return list;
}

void apply_file(const std::string& path, Subcommand subcommand, RunSettings& settings,
                Origins& origins) {
    SettingsFile file = read_settings_file(path, subcommand);
    for (const ConfiguredOption& entry : file.options) {
        apply(settings.command, {entry.option, entry.value},
              entry.where + ": " + std::string(entry.option->name), SettingOrigin::config_file,
              origins);
    }
    for (ConfiguredDevice& device : file.devices) {
        settings.devices.push_back({std::move(device.spec), std::move(device.where)});
        origins[find_option(subcommand, "device")] = SettingOrigin::config_file;
    }
}

void apply_arguments(const Arguments& arguments, Subcommand subcommand, RunSettings& settings,
                     Origins& origins) {
    for (const GivenOption& entry : arguments.options) {
        apply(settings.command, entry, "--" + std::string(entry.option->name),
              SettingOrigin::command_line, origins);
    }
    if (arguments.devices.empty()) return;
    settings.devices.clear();
    for (const std::string& text : arguments.devices) {
        try {
            settings.devices.push_back({parse_device_spec(text), "--device " + text});
        } catch (const UsageError& error) {
            throw UsageError("--device " + text + ": " + error.what());
        }
    }
    origins[find_option(subcommand, "device")] = SettingOrigin::command_line;
}

}  // namespace

LogChoice RunSettings::log_choice() const noexcept {
    const auto level = std::ranges::find(effective, "log-level", &EffectiveSetting::name);
    const bool chosen = level != effective.end() && level->origin != SettingOrigin::default_value;
    if (chosen) return command.log_level;
    if (command.quiet) return LogChoice::error;
    return command.verbose ? LogChoice::debug : command.log_level;
}

RunSettings settle(const Arguments& arguments) {
    const Subcommand subcommand = *arguments.subcommand;
    RunSettings settings;
    Origins origins;
    settings.command.source.state_dir = default_state_folder();
    settings.command.destination.state_dir = settings.command.source.state_dir;
    if (!arguments.config.empty()) apply_file(arguments.config, subcommand, settings, origins);
    apply_arguments(arguments, subcommand, settings, origins);
    if (settings.command.quiet && settings.command.verbose) {
        throw UsageError("--quiet and --verbose exclude each other");
    }
    settle_channels(subcommand, settings.command, origins);
    if (subcommand == Subcommand::receive) settle_packet_size(settings.command, origins);
    if (subcommand == Subcommand::send) require_qemu_for_guest_options(settings.command, origins);
    if (subcommand == Subcommand::send || subcommand == Subcommand::receive) {
        require_ends(subcommand, settings);
    }
    settings.effective = effective(subcommand, settings, origins);
    return settings;
}

std::vector<DeviceEntry> make_devices(const RunSettings& settings, Role role) {
    std::vector<DeviceEntry> entries;
    std::set<DeviceIdentity> names;
    for (const DescribedDevice& device : settings.devices) {
        try {
            DeviceEntry entry = make_device(device.spec, role);
            DeviceIdentity identity{entry.idstr, entry.instance_id};
            if (!names.insert(identity).second) {
                throw UsageError("a second device " + to_string(identity) +
                                 ": give one of them another idstr or instance-id");
            }
            entries.push_back(std::move(entry));
        } catch (const UsageError& error) {
            throw UsageError(device.where + ": " + error.what());
        }
    }
    check_distinct_files(entries);
    return entries;
}

}  // namespace multifd
