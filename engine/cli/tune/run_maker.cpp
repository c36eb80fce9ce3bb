#include "engine/cli/tune/run_maker.hpp"

#include <signal.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "channels/transport/address.hpp"
#include "engine/text/quantity.hpp"

namespace multifd::tuning {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kListenPatience{30};
/// How long a destination's report may follow the source's end: of a completed migration, whose
/// devices run already, and of a failed one, which may still wait for a device.
constexpr std::chrono::seconds kReportPatience{30};
constexpr std::chrono::seconds kFailedReportPatience{2};
constexpr std::chrono::seconds kTermPatience{5};
/// How long a cancelled source may take before it is ended by force.
constexpr std::chrono::seconds kCancelPatience{40};
constexpr std::chrono::milliseconds kLookEvery{200};
constexpr std::chrono::milliseconds kGlanceEvery{5};

std::string session_of(const std::string& report) {
    const nlohmann::json json = nlohmann::json::parse(report, nullptr, false);
    if (!json.is_object() || !json.contains("session") || !json["session"].is_string()) return "";
    return json["session"].get<std::string>();
}

std::string last_line(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    const std::size_t newline = text.rfind('\n');
    return newline == std::string::npos ? text : text.substr(newline + 1);
}

std::string milliseconds(std::chrono::milliseconds time) {
    return std::to_string(time.count()) + "ms";
}

/// Where a destination listens that `to` reaches: on all of its host's addresses.
std::string listen_address(const std::string& to) {
    const auto address = parse_address(to);
    if (!address || address->family == Address::Family::unix_path) return to;
    const bool ipv6 = address->host.find(':') != std::string::npos;
    return std::string("tcp:") + (ipv6 ? "[::]" : "0.0.0.0") + ":" + std::to_string(address->port);
}

}  // namespace

std::string receive_command(const RunPlan& plan) {
    // All addresses of one port are listened on at once.
    std::vector<std::string> listen{listen_address(plan.to)};
    for (const std::string& to : plan.also_to) {
        std::string address = listen_address(to);
        if (std::ranges::find(listen, address) != listen.end()) continue;
        listen.push_back(std::move(address));
    }
    std::string command = "multifd receive --serve";
    for (const std::string& address : listen) command += " --listen " + address;
    for (const std::string& device : device_words(plan.workload)) command += " --device " + device;
    return command;
}

RunMaker::RunMaker(RunPlan plan, std::function<void()> while_waiting)
    : plan_(std::move(plan)),
      while_waiting_(std::move(while_waiting)),
      folder_("multifd-tune"),
      address_(plan_.to) {}

RunMaker::~RunMaker() {
    end_destination();
}

RunRecord RunMaker::run(const Turn& turn, const std::vector<std::string>& words) {
    const auto began = Clock::now();
    RunEnds ends;
    if (plan_.to.empty() && !start_destination()) {
        ends.source_exit_code = 1;
        ends.source_said =
            "the destination did not start: " + last_line(folder_.text("destination.err"));
        return read_run(turn, ends);
    }
    ends.source_exit_code = run_source(source_words(words, false));
    const std::chrono::duration<double> seconds = Clock::now() - began;
    ends.source_report = folder_.text("source.json");
    ends.source_said = last_line(folder_.text("source.err"));
    const bool completed = ends.source_exit_code == 0;
    if (plan_.to.empty()) {
        ends.destination_report = await_destination_report(ends.source_report, completed);
        if (ends.destination_report.empty()) end_destination();
    }
    RunRecord record = read_run(turn, ends);
    record.seconds = seconds.count();
    return record;
}

std::string RunMaker::run_for_samples(const std::vector<std::string>& words) {
    if (plan_.to.empty() && !start_destination()) return "";
    if (run_source(source_words(words, true)) != 0) return "";
    return folder_.text("samples.json");
}

void RunMaker::interrupt(int signal) noexcept {
    const std::scoped_lock lock(mutex_);
    signal_ = signal;
    if (source_) source_->signal(signal);
}

bool RunMaker::interrupted() const {
    const std::scoped_lock lock(mutex_);
    return signal_ != 0;
}

RunMaker::Words RunMaker::deadline_words() const {
    return {"--connect-timeout",  milliseconds(plan_.common.connect_timeout),
            "--phase-timeout",    milliseconds(plan_.common.phase_timeout),
            "--stall-timeout",    milliseconds(plan_.common.stall_timeout),
            "--on-unknown-owner", "exit",
            "--log-level",        "warning"};
}

RunMaker::Words RunMaker::destination_words() const {
    Words words{"receive",
                "--serve",
                "--quiet",
                "--listen",
                "tcp:127.0.0.1:0",
                "--address-file",
                folder_.file("address"),
                "--state-dir",
                folder_.file("destination.state"),
                "--json",
                folder_.file("destination" + std::to_string(destinations_) + ".json")};
    for (const std::string& device : device_words(plan_.workload)) {
        words.emplace_back("--device");
        words.push_back(device);
    }
    for (std::string& word : deadline_words()) words.push_back(std::move(word));
    return words;
}

RunMaker::Words RunMaker::source_words(const Words& words, bool samples) const {
    Words all{"send",        "--quiet",
              "--to",        address_,
              "--state-dir", folder_.file("source.state"),
              "--json",      folder_.file("source.json")};
    for (const std::string& address : plan_.also_to) {
        all.emplace_back("--to");
        all.push_back(address);
    }
    for (const std::string& device : device_words(plan_.workload)) {
        all.emplace_back("--device");
        all.push_back(device);
    }
    for (std::string& word : deadline_words()) all.push_back(std::move(word));
    if (samples) {
        all.emplace_back("--samples");
        all.push_back(folder_.file("samples.json"));
    }
    all.insert(all.end(), words.begin(), words.end());
    return all;
}

bool RunMaker::start_destination() {
    if (destination_ && !destination_->wait(std::chrono::milliseconds(0))) return true;
    end_destination();
    std::error_code ignored;
    std::filesystem::remove(folder_.file("address"), ignored);
    ++destinations_;
    next_report_ = 1;
    destination_ = std::make_unique<ChildProcess>(
        destination_words(),
        ChildOutput{folder_.file("destination.out"), folder_.file("destination.err")});
    const auto deadline = Clock::now() + kListenPatience;
    while (Clock::now() < deadline) {
        const std::string text = folder_.text("address");
        if (text.ends_with('\n')) {
            address_ = text.substr(0, text.size() - 1);
            return true;
        }
        if (destination_->wait(kGlanceEvery)) break;
    }
    end_destination();
    return false;
}

void RunMaker::end_destination() {
    if (!destination_) return;
    destination_->signal(SIGTERM);
    // Whoever does not end by then is killed by the destructor.
    destination_->wait(kTermPatience);
    destination_.reset();
}

int RunMaker::run_source(const Words& words) {
    std::error_code ignored;
    std::filesystem::remove(folder_.file("source.json"), ignored);
    ChildProcess* source = nullptr;
    {
        const std::scoped_lock lock(mutex_);
        if (signal_ != 0) return 128 + signal_;
        source_ = std::make_unique<ChildProcess>(
            words, ChildOutput{folder_.file("source.out"), folder_.file("source.err")});
        source = source_.get();
    }
    std::optional<int> code;
    std::optional<Clock::time_point> cancelled_at;
    while (!(code = source->wait(kLookEvery))) {
        while_waiting_();
        if (!interrupted()) continue;
        if (!cancelled_at) cancelled_at = Clock::now();
        if (Clock::now() - *cancelled_at > kCancelPatience) source->signal(SIGKILL);
    }
    const std::scoped_lock lock(mutex_);
    source_.reset();
    return *code;
}

std::string RunMaker::await_destination_report(const std::string& source_report, bool completed) {
    const std::string session = session_of(source_report);
    const auto deadline = Clock::now() + (completed ? kReportPatience : kFailedReportPatience);
    const std::string name = "destination" + std::to_string(destinations_) + "-";
    for (;;) {
        std::string report = folder_.text(name + std::to_string(next_report_) + ".json");
        if (!report.empty()) {
            ++next_report_;
            // Another session's is that of an earlier run which nobody waited for.
            if (session_of(report) == session) return report;
            continue;
        }
        const bool ended = destination_->wait(kGlanceEvery).has_value();
        if (ended || Clock::now() >= deadline) return "";
    }
}

}  // namespace multifd::tuning
