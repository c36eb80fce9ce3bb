// The subcommands, as help lists them.
#include "engine/cli/command_options.hpp"

#include <algorithm>
#include <array>

namespace multifd {
namespace {

constexpr auto kSubcommands = std::to_array<SubcommandEntry>({
    {Subcommand::send, "send", "multifd send --to ADDRESS --device KIND,... [options]",
     "send the state of devices to a destination"},
    {Subcommand::receive, "receive", "multifd receive --listen ADDRESS --device KIND,... [options]",
     "wait for a source and load the state of its devices"},
    {Subcommand::demo, "demo", "multifd demo [options]",
     "run both ends on this host, as two processes, with several built-in devices"},
    {Subcommand::status, "status", "multifd status [SESSION] [options]",
     "say who owns the devices of past and present sessions"},
    {Subcommand::inspect, "inspect", "multifd inspect RECORDING... [options]",
     "list and check a recorded migration: a folder of conn-*.bin, or single files"},
    {Subcommand::serve_device, "serve-device",
     "multifd serve-device --socket PATH --device KIND,... [options]",
     "expose devices to vfio-user clients, each on a socket of its own, until a signal"},
    {Subcommand::tune, "tune", "multifd tune --out DIR [--to ADDRESS] [options]",
     "find the best settings by trying them, over loopback or to receive --serve elsewhere"},
    {Subcommand::probe, "probe", "multifd probe [--device KIND,...] [--json]",
     "say what devices can do and what would block them; without --device: which this host has"},
    {Subcommand::check, "check", "multifd check --device KIND,... [options]",
     "take a device through all that a migration will ask of it, and say what it does wrong"},
});

}  // namespace

std::span<const SubcommandEntry> subcommands() noexcept {
    return kSubcommands;
}

std::string_view to_string(Subcommand subcommand) noexcept {
    return std::ranges::find(kSubcommands, subcommand, &SubcommandEntry::subcommand)->name;
}

}  // namespace multifd
