#include "engine/cli/command_options.hpp"

#include <algorithm>
#include <array>

#include "engine/cli/check/options.hpp"
#include "engine/cli/serve_options.hpp"
#include "engine/paths/cpu_list.hpp"
#include "engine/text/nearest_name.hpp"

namespace multifd {
namespace {

using Settings = CommandSettings;
using Text = std::string_view;

constexpr unsigned kSend = static_cast<unsigned>(Subcommand::send);
constexpr unsigned kReceive = static_cast<unsigned>(Subcommand::receive);
constexpr unsigned kDemo = static_cast<unsigned>(Subcommand::demo);
constexpr unsigned kStatus = static_cast<unsigned>(Subcommand::status);
constexpr unsigned kInspect = static_cast<unsigned>(Subcommand::inspect);
constexpr unsigned kTune = static_cast<unsigned>(Subcommand::tune);
constexpr unsigned kProbe = static_cast<unsigned>(Subcommand::probe);
constexpr unsigned kCheck = static_cast<unsigned>(Subcommand::check);
constexpr unsigned kEnds = kSend | kReceive;
constexpr unsigned kRuns = kEnds | kDemo;

// What both ends have is kept in both, so that no option asks which end this is.
template <auto member, auto read>
void set_common(Settings& settings, Text text) {
    settings.source.*member = read(text);
    settings.destination.*member = settings.source.*member;
}

template <auto part, auto member, auto read>
void set(Settings& settings, Text text) {
    (settings.*part).*member = read(text);
}

template <auto member, auto read>
void set_own(Settings& settings, Text text) {
    settings.*member = read(text);
}

using tuning::Workload;

template <auto part, auto member, auto read>
void set_tune(Settings& settings, Text text) {
    (settings.tune.*part).*member = read(text);
}

template <auto member, auto read>
void set_workload(Settings& settings, Text text) {
    set_tune<&tuning::Choices::workload, member, read>(settings, text);
}

/// A name as a template argument.
struct ListName {
    template <std::size_t size>
    constexpr ListName(const char (&text)[size]) {  // NOLINT(google-explicit-constructor)
        std::copy_n(text, size, letters.begin());
    }
    std::array<char, 32> letters{};
};

/// A list of values to compare; tune reads it when it makes its matrix.
template <ListName name>
void set_list(Settings& settings, Text text) {
    settings.tune.lists[name.letters.data()] = read_not_empty(text);
}

std::uint64_t number_of(std::chrono::milliseconds time) {
    return static_cast<std::uint64_t>(time.count());
}

constexpr auto kSource = &Settings::source;
constexpr auto kDestination = &Settings::destination;

void set_connect_timeout(Settings& settings, Text text) {
    set_common<&CommonSettings::connect_timeout, read_timeout>(settings, text);
    settings.listener.classify_timeout = settings.source.connect_timeout;
    settings.listener.parked_timeout = settings.source.connect_timeout;
}

void set_peer(Settings& settings, Text text) {
    set_common<&CommonSettings::peer, read_peer>(settings, text);
    settings.listener.peer = settings.source.peer;
}

void set_congestion_control(Settings& settings, Text text) {
    settings.source.congestion_control = read_congestion_control(text);
    settings.listener.congestion_control = settings.source.congestion_control;
}

void set_channels(Settings& settings, Text text) {
    settings.source.multifd_channels = read_channels(text);
    settings.destination.multifd_channels = settings.source.multifd_channels;
}

void set_compression(Settings& settings, Text text) {
    settings.source.multifd_compression = read_compression(text);
    settings.destination.multifd_compression = settings.source.multifd_compression;
}

/// The first value stands in `first`, what follows in `more`.
void add_address(std::string& first, std::vector<std::string>& more, Text text) {
    std::string address = read_address(text);
    if (first.empty()) {
        first = std::move(address);
    } else {
        more.push_back(std::move(address));
    }
}

/// One address as text, several as a list.
SettingValue show_addresses(const std::string& first, const std::vector<std::string>& more) {
    if (more.empty()) return first;
    std::vector<std::string> all{first};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

void forget_to(Settings& settings) {
    settings.source.to.clear();
    settings.source.also_to.clear();
}

void forget_listen(Settings& settings) {
    settings.listener.listen.clear();
    settings.listener.also_listen.clear();
}

// The options of send and receive in the order of --help: where, what, how much, how long, who.
constexpr auto kCommonOptions = std::to_array<CommandOption>({
    {"to", 0, "ADDRESS", kSend | kTune,
     "the destination: tcp:HOST:PORT or unix:PATH; repeated: the channels take turns",
     [](Settings& s, Text text) { add_address(s.source.to, s.source.also_to, text); },
     [](const Settings& s, Role) { return show_addresses(s.source.to, s.source.also_to); },
     forget_to},
    {"bind", 0, "IP|any", kSend,
     "the source address for connections to the --to at the same position; repeatable (any)",
     [](Settings& s, Text text) { s.source.bind.push_back(read_bind(text)); },
     [](const Settings& s, Role) -> SettingValue { return s.source.bind; },
     [](Settings& s) { s.source.bind.clear(); }},
    {"listen", 0, "ADDRESS", kReceive,
     "where to wait for the source: tcp:HOST:PORT (port 0 picks one) or unix:PATH; repeatable",
     [](Settings& s, Text text) { add_address(s.listener.listen, s.listener.also_listen, text); },
     [](const Settings& s, Role) {
         return show_addresses(s.listener.listen, s.listener.also_listen);
     },
     forget_listen},
    {"serve", 0, "", kReceive,
     "take one migration after the other, each with fresh devices, until a signal",
     set_own<&Settings::serve, read_on_off>,
     [](const Settings& s, Role) -> SettingValue { return s.serve; }},
    {"address-file", 0, "FILE", kReceive, "write the addresses it listens on to FILE, a line each",
     set_own<&Settings::address_file, read_not_empty>,
     [](const Settings& s, Role) -> SettingValue { return s.address_file; }},
    {"device", 0, "KIND,key=value,...", kEnds | kProbe | kCheck | serving::kServe,
     "a device, repeatable: idstr=NAME, instance-id=N, multifd=on|off|auto and its kind's keys"},
    {"config", 0, "FILE", kEnds, "read options and [[device]] tables from a TOML file"},
    {"multifd-channels", 0, "N", kRuns,
     "parallel connections, 1 to 255 (default 2; receive takes the source's)", set_channels,
     [](const Settings& s, Role role) -> SettingValue {
         return std::uint64_t{role == Role::source ? s.source.multifd_channels
                                                   : s.destination.multifd_channels};
     }},
    {"multifd-pre-copy", 0, "on|off", kEnds,
     "pre-copy data of devices that use the channels takes the channels too (on)",
     set_common<&CommonSettings::multifd_pre_copy, read_on_off>,
     [](const Settings& s, Role) -> SettingValue { return s.source.multifd_pre_copy; }},
    {"packet-size", 0, "SIZE", kSend | kDemo, "state bytes per packet, 4KiB to 16MiB (1MiB)",
     set<kSource, &SourceSettings::packet_size, read_packet_size>,
     [](const Settings& s, Role) -> SettingValue { return std::uint64_t{s.source.packet_size}; }},
    {"max-packet-size", 0, "SIZE", kReceive, "largest packet size agreed to (16MiB)",
     set<kDestination, &DestinationSettings::packet_size_max, read_packet_size>,
     [](const Settings& s, Role) -> SettingValue {
         return std::uint64_t{s.destination.packet_size_max};
     }},
    {"max-queued-bytes", 0, "SIZE", kReceive, "memory for state that waits its turn (256MiB)",
     set<kDestination, &DestinationSettings::max_queued_bytes, read_queued_bytes>,
     [](const Settings& s, Role) -> SettingValue {
         return std::uint64_t{s.destination.max_queued_bytes};
     }},
    {"multifd-compression", 0, "none|zstd|auto", kEnds,
     "of state on the channels; auto: where it pays (none; receive takes the source's)",
     set_compression,
     [](const Settings& s, Role role) -> SettingValue {
         return std::string(to_string(role == Role::source ? s.source.multifd_compression
                                                           : s.destination.multifd_compression));
     }},
    {"multifd-zstd-level", 0, "N", kSend, "0 compresses nothing, 1 is fastest, 20 smallest (1)",
     set<kSource, &SourceSettings::multifd_zstd_level, read_zstd_level>,
     [](const Settings& s, Role) -> SettingValue {
         return static_cast<std::uint64_t>(s.source.multifd_zstd_level);
     }},
    {"congestion-control", 0, "NAME", kEnds,
     "of the TCP connections, as in /proc/sys/net/ipv4/tcp_available_congestion_control",
     set_congestion_control,
     [](const Settings& s, Role) -> SettingValue { return s.source.congestion_control; }},
    {"downtime-limit", 0, "TIME", kSend, "pre-copy ends when the rest fits into it (300ms)",
     set<kSource, &SourceSettings::downtime_limit, read_time>,
     [](const Settings& s, Role) -> SettingValue { return number_of(s.source.downtime_limit); }},
    {"strict-downtime", 0, "on|off", kSend,
     "do not switch over when the predicted downtime is over the limit (off)",
     set<kSource, &SourceSettings::strict_downtime, read_on_off>,
     [](const Settings& s, Role) -> SettingValue { return s.source.strict_downtime; }},
    {"avail-switchover-bandwidth", 0, "RATE", kSend,
     "what the link will give to the switchover, for the prediction alone (0: as measured)",
     set<kSource, &SourceSettings::avail_switchover_bandwidth, read_rate>,
     [](const Settings& s, Role) -> SettingValue { return s.source.avail_switchover_bandwidth; }},
    {"max-bandwidth", 0, "RATE", kSend,
     "all that is sent while the devices run, together; 0 is no limit (0)",
     set<kSource, &SourceSettings::max_bandwidth, read_rate>,
     [](const Settings& s, Role) -> SettingValue { return s.source.max_bandwidth; }},
    {"max-switchover-bandwidth", 0, "RATE", kSend, "the same while they are stopped (0)",
     set<kSource, &SourceSettings::max_switchover_bandwidth, read_rate>,
     [](const Settings& s, Role) -> SettingValue { return s.source.max_switchover_bandwidth; }},
    {"submission-order", 0, "behind|arrival", kSend,
     "which of several waiting devices sends next: who is furthest behind, or who came first "
     "(behind)",
     set<kSource, &SourceSettings::submission_order, read_submission_order>,
     [](const Settings& s, Role) -> SettingValue {
         return std::string(to_string(s.source.submission_order));
     }},
    {"switchover-ack", 0, "on|off", kSend,
     "wait for the destination to acknowledge the initial data (off)",
     set<kSource, &SourceSettings::switchover_ack, read_on_off>,
     [](const Settings& s, Role) -> SettingValue { return s.source.switchover_ack; }},
    {"verify", 0, "on|off", kRuns, "compare a digest of every device at both ends (on)",
     set_common<&CommonSettings::verify, read_on_off>,
     [](const Settings& s, Role) -> SettingValue { return s.source.verify; }},
    {"channel-cpus", 0, "LIST", kEnds,
     "CPUs for the channels' threads, one after the other: 0-3,8 (anywhere)",
     set_common<&CommonSettings::channel_cpus, read_cpus>,
     [](const Settings& s, Role) -> SettingValue {
         return format_cpu_list(s.source.channel_cpus);
     }},
    {"numa-node", 0, "N|auto", kEnds,
     "NUMA node for the packets' memory and the channels' threads; auto: the network device's",
     set_common<&CommonSettings::numa_node, read_numa_node>,
     [](const Settings& s, Role) -> SettingValue { return format_numa_node(s.source.numa_node); }},
    {"devices", 0, "N", kTune, "how many synthetic devices to move, 1 to 64 (4)",
     set_workload<&Workload::devices, read_device_count>, nullptr},
    {"state-size", 0, "SIZE", kTune, "of each device, 4KiB to 1TiB (256MiB)",
     set_workload<&Workload::state_size, read_state_size>, nullptr},
    {"memory", 0, "held|lent", kTune,
     "devices are read and written by calls, or lend their memory (held)",
     set_workload<&Workload::memory, read_memory>, nullptr},
    {"compressible", 0, "PERCENT", kTune, "how much of the state is cheap to compress (0)",
     set_workload<&Workload::compressible_percent, read_percent>, nullptr},
    {"read-rate", 0, "RATE", kTune, "of each device at the source (without limit)",
     set_workload<&Workload::read_rate, read_rate>, nullptr},
    {"write-rate", 0, "RATE", kTune, "of each device at the destination (without limit)",
     set_workload<&Workload::write_rate, read_rate>, nullptr},
    {"channels", 0, "LIST", kTune, "values of --multifd-channels to compare (1,2,4,8)",
     set_list<"channels">, nullptr},
    {"packet-size", 0, "LIST", kTune, "values of --packet-size to compare (256KiB,1MiB,4MiB)",
     set_list<"packet-size">, nullptr},
    {"congestion-control", 0, "LIST", kTune,
     "values of --congestion-control to compare (the system's alone)",
     set_list<"congestion-control">, nullptr},
    {"compression", 0, "LIST", kTune, "values of --multifd-compression to compare (none alone)",
     set_list<"compression">, nullptr},
    {"zstd-level", 0, "LIST", kTune, "values of --multifd-zstd-level to compare (1 alone)",
     set_list<"zstd-level">, nullptr},
    {"verify", 0, "LIST", kTune, "values of --verify to compare (on alone)", set_list<"verify">,
     nullptr},
    {"repeat", 0, "N", kTune, "counted runs of each combination, 1 to 1000 (3)",
     set_tune<&tuning::Choices::rules, &tuning::ScheduleRules::repeat, read_repeat>, nullptr},
    {"quick", 0, "", kTune, "drop the slower half after each round",
     set_tune<&tuning::Choices::rules, &tuning::ScheduleRules::quick, read_on_off>, nullptr},
    {"out", 0, "DIR", kTune, "where results.json, results.csv, best.toml and report.html go",
     [](Settings& s, Text text) { s.tune.out = read_not_empty(text); }, nullptr},
    {"force", 0, "", kTune, "replace the results that DIR holds",
     [](Settings& s, Text text) { s.tune.force = read_on_off(text); }, nullptr},
    {"connect-timeout", 0, "TIME", kEnds | kTune, "for all connections and hellos (10s)",
     set_connect_timeout,
     [](const Settings& s, Role) -> SettingValue { return number_of(s.source.connect_timeout); }},
    {"phase-timeout", 0, "TIME", kEnds | kTune, "for any one phase (3600s)",
     set_common<&CommonSettings::phase_timeout, read_timeout>,
     [](const Settings& s, Role) -> SettingValue { return number_of(s.source.phase_timeout); }},
    {"stall-timeout", 0, "TIME", kEnds | kTune | kCheck,
     "for a peer that is silent, a device call, or no progress (30s)",
     set_common<&CommonSettings::stall_timeout, read_timeout>,
     [](const Settings& s, Role) -> SettingValue { return number_of(s.source.stall_timeout); }},
    {"state-dir", 0, "DIR", kEnds | kStatus, "where ownership records are kept",
     set_common<&CommonSettings::state_dir, read_not_empty>,
     [](const Settings& s, Role) -> SettingValue { return s.source.state_dir; }},
    {"on-unknown-owner", 0, "hold|exit", kEnds,
     "when the owner cannot be known: hold the stopped devices, or exit (hold)",
     set_common<&CommonSettings::on_unknown_owner, read_on_unknown_owner>,
     [](const Settings& s, Role) -> SettingValue {
         return std::string(s.source.on_unknown_owner == OnUnknownOwner::hold ? "hold" : "exit");
     }},
    {"peer", 0, "multifd|qemu", kEnds, "who is at the other end (multifd)", set_peer,
     [](const Settings& s, Role) -> SettingValue {
         return std::string(s.source.peer == Peer::qemu ? "qemu" : "multifd");
     }},
    {"machine", 0, "NAME", kSend, "peer qemu: the machine type to announce (none)",
     set<kSource, &SourceSettings::machine, read_machine>,
     [](const Settings& s, Role) -> SettingValue { return s.source.machine; }},
    {"uuid", 0, "UUID", kSend, "peer qemu: the guest's UUID",
     set<kSource, &SourceSettings::uuid, read_uuid>,
     [](const Settings& s, Role) -> SettingValue { return format_uuid(s.source.uuid); }},
    {"json", 0, "FILE|-", kEnds | kCheck, "write the report as JSON to FILE or standard output",
     set_own<&Settings::json, read_not_empty>,
     [](const Settings& s, Role) -> SettingValue { return s.json; }},
    {"samples", 0, "FILE", kEnds, "write how the migration went over time as JSON to FILE",
     set_own<&Settings::samples, read_not_empty>,
     [](const Settings& s, Role) -> SettingValue { return s.samples; }},
    {"json", 0, "", kStatus | kInspect | kProbe, "print JSON instead of text",
     set_own<&Settings::json_flag, read_on_off>, nullptr},
    {"extract", 0, "DIR", kInspect, "write each device's state and config to files in DIR",
     set_own<&Settings::extract, read_not_empty>, nullptr},
    {"log-level", 0, "LEVEL", kRuns | serving::kServe, "debug, info, warning, error or none (info)",
     set_own<&Settings::log_level, read_log_level>,
     [](const Settings& s, Role) -> SettingValue { return std::string(to_string(s.log_level)); }},
    {"quiet", 'q', "", kRuns | kTune | kCheck | serving::kServe,
     "no progress, no summary, and only errors in the log", set_own<&Settings::quiet, read_on_off>,
     [](const Settings& s, Role) -> SettingValue { return s.quiet; }},
    {"verbose", 'v', "", kRuns | serving::kServe, "debug lines in the log",
     set_own<&Settings::verbose, read_on_off>,
     [](const Settings& s, Role) -> SettingValue { return s.verbose; }},
});

template <std::size_t left_size, std::size_t right_size>
constexpr auto joined(const std::array<CommandOption, left_size>& left,
                      const std::array<CommandOption, right_size>& right) {
    std::array<CommandOption, left_size + right_size> all;
    std::ranges::copy(right, std::ranges::copy(left, all.begin()).out);
    return all;
}

constexpr auto kOptions = joined(joined(kCommonOptions, serving::kOptions), checking::kOptions);

/// Every subcommand takes it, without an entry of its own: it sets nothing.
constexpr std::string_view kHelp = "help";

}  // namespace

std::span<const CommandOption> command_options() noexcept {
    return kOptions;
}

const CommandOption* find_option(Subcommand subcommand, std::string_view name) noexcept {
    const auto found = std::ranges::find_if(kOptions, [&](const CommandOption& option) {
        return option.name == name && option.of(subcommand);
    });
    return found == kOptions.end() ? nullptr : &*found;
}

std::string unknown_option_message(Subcommand subcommand, std::string_view written) {
    const std::string_view dashes = written.starts_with("-") ? "--" : "";
    const std::string_view name =
        written.substr(std::min(written.find_first_not_of('-'), written.size()));
    const std::string command(to_string(subcommand));
    for (const SubcommandEntry& other : subcommands()) {
        if (find_option(other.subcommand, name) == nullptr) continue;
        return std::string(written) + " is an option of " + std::string(other.name) + ", not of " +
               command;
    }
    std::vector<std::string_view> candidates;
    // Its own first: of equally near names the first is taken.
    for (const CommandOption& option : kOptions) {
        if (option.of(subcommand)) candidates.push_back(option.name);
    }
    if (!dashes.empty()) candidates.push_back(kHelp);
    for (const CommandOption& option : kOptions) candidates.push_back(option.name);
    const std::string_view nearest = nearest_name(name, candidates);
    std::string message = "unknown option " + std::string(written) + " for " + command +
                          "; did you mean " + std::string(dashes) + std::string(nearest);
    const bool taken = nearest == kHelp || find_option(subcommand, nearest) != nullptr;
    if (!taken) message += ", which " + command + " lacks";
    return message + "?";
}

}  // namespace multifd
