#include "tests/end_to_end/migration.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <sstream>
#include <stdexcept>

namespace multifd {
namespace {

Words device_options(const Words& devices) {
    Words result;
    for (const auto& device : devices) result = result + Words{"--device", device};
    return result;
}

std::string seconds(unsigned count) {
    return std::to_string(count * kSlowdown) + "s";
}

}  // namespace

Plan& Plan::device(std::string description) {
    devices.push_back(std::move(description));
    return *this;
}

std::string describe(const Outcome& outcome) {
    return describe("source", outcome.source) + describe("destination", outcome.destination) +
           outcome.invalid;
}

Migration::Migration(Plan plan) : plan_(std::move(plan)) {
    const std::string address_file = folder_ / "address";
    Words words = arguments("destination", plan_.devices + plan_.destination_devices,
                            plan_.options + plan_.destination_options);
    for (std::size_t i = plan_.listen.size(); i > 0; --i) {
        words = Words{"--listen", plan_.listen[i - 1]} + words;
    }
    if (plan_.listen.empty()) words = Words{"--listen", listen_address()} + words;
    words = Words{"receive", "--address-file", address_file} + words;
    destination_ = std::make_unique<RunningCommand>(folder("destination"), words,
                                                    plan_.destination_surroundings);
    std::istringstream lines(wait_for_address(address_file, *destination_));
    for (std::string line; std::getline(lines, line);) addresses_.push_back(line);
    if (!addresses_.empty()) address_ = addresses_.front();
    if (plan_.relay && !address_.empty()) relay_ = std::make_unique<Relay>(address_, *plan_.relay);
}

Migration::~Migration() = default;

std::string Migration::listen_address() const {
    switch (plan_.transport) {
        case Plan::Transport::tcp_ipv4:
            return "tcp:127.0.0.1:0";
        case Plan::Transport::tcp_ipv6:
            return "tcp:[::1]:0";
        case Plan::Transport::unix_socket:
            break;
    }
    return "unix:" + (folder_ / "socket");
}

Words Migration::arguments(std::string_view end, const Words& devices, const Words& options) const {
    const std::vector<std::pair<std::string, std::string>> defaults{
        {"--connect-timeout", seconds(10)},      {"--stall-timeout", seconds(10)},
        {"--phase-timeout", seconds(50)},        {"--on-unknown-owner", "exit"},
        {"--state-dir", folder(end) + "/state"}, {"--json", folder(end) + "/report.json"}};
    Words result = device_options(devices) + options;
    for (const auto& [name, value] : defaults) {
        if (std::ranges::find(options, name) == options.end()) result = result + Words{name, value};
    }
    return result;
}

void Migration::start() {
    Words words = arguments("source", plan_.devices + plan_.source_devices,
                            plan_.options + plan_.source_options);
    for (std::size_t i = addresses_.size(); i > 1; --i) {
        words = Words{"--to", addresses_[i - 1]} + words;
    }
    words = Words{"send", "--to", relay_ ? relay_->address() : address_} + words;
    source_ = std::make_unique<RunningCommand>(folder("source"), words, plan_.source_surroundings);
}

const CommandEnd& Migration::finish_source() {
    if (!source_end_) source_end_ = source().finish(plan_.limit);
    return *source_end_;
}

const CommandEnd& Migration::finish_destination() {
    if (!destination_end_) destination_end_ = destination().finish(plan_.limit);
    return *destination_end_;
}

Outcome Migration::finish() {
    Outcome outcome{finish_source(), finish_destination(), {}};
    std::vector<std::string> reports;
    for (const auto* end : {"source", "destination"}) {
        const std::string path = folder(end) + "/report.json";
        if (std::filesystem::exists(path)) reports.push_back(path);
    }
    if (!reports.empty()) outcome.invalid = invalid_reports(reports);
    return outcome;
}

RunningCommand& Migration::source() {
    // Relays call this too, from threads of theirs, where Catch2 may not assert.
    if (source_ == nullptr) throw std::logic_error("the source was never started");
    return *source_;
}

RunningCommand& Migration::destination() {
    return *destination_;
}

Process* Migration::source_process() noexcept {
    return source_ != nullptr ? &source_->process() : nullptr;
}

std::string Migration::source_state_folder() const {
    return folder("source") + "/state";
}

std::string Migration::destination_state_folder() const {
    return folder("destination") + "/state";
}

Outcome migrate(Plan plan) {
    Migration migration(std::move(plan));
    migration.start();
    Outcome outcome = migration.finish();
    INFO(describe(outcome));
    CHECK(outcome.source.report.has_value());
    CHECK(outcome.destination.report.has_value());
    CHECK(outcome.invalid.empty());
    return outcome;
}

namespace {

void check_same_device(const CommandEnd& source, const CommandEnd& destination,
                       const std::string& source_path) {
    // The ends may list their devices in different orders.
    const auto same = [&](const std::string& path) {
        return source.text(source_path + "idstr") == destination.text(path + "idstr") &&
               source.number(source_path + "instance-id") ==
                   destination.number(path + "instance-id");
    };
    for (std::size_t i = 0; i < destination.report->size("devices"); ++i) {
        const std::string path = "devices." + std::to_string(i) + ".";
        if (!same(path)) continue;
        CHECK(source.number(source_path + "packets") == destination.number(path + "packets"));
        CHECK(source.number(source_path + "bytes") == destination.number(path + "bytes"));
        CHECK(source.number(source_path + "pre-copy-bytes") ==
              destination.number(path + "pre-copy-bytes"));
        CHECK(source.text(source_path + "transfer-digest") ==
              destination.text(path + "transfer-digest"));
        CHECK(destination.text(path + "final-state") == "running");
        return;
    }
    FAIL_CHECK("the destination does not report " << source.text(source_path + "idstr"));
}

/// The destination's own figures stand in both reports.
void check_transfer_told(const CommandEnd& source, const CommandEnd& destination) {
    for (const char* path :
         {"transfer.us", "transfer.user-us", "transfer.system-us", "peak-queued-bytes",
          "downtime-parts.receive", "downtime-parts.reorder-wait", "downtime-parts.write",
          "downtime-parts.config", "downtime-parts.validate"}) {
        CAPTURE(path);
        CHECK(source.report->has(std::string("destination.") + path));
        CHECK(source.number(std::string("destination.") + path) == destination.number(path));
    }
    CHECK(source.number("destination.processors") >= 1);
    CHECK_FALSE(destination.report->has("destination"));
}

}  // namespace

void check_completed(const Outcome& outcome) {
    INFO(describe(outcome));
    for (const auto* end : {&outcome.source, &outcome.destination}) {
        CHECK(end->exit_code == 0);
        REQUIRE(end->report.has_value());
        CHECK(end->text("status") == "completed");
        CHECK(end->text("owner") == "destination");
        CHECK_FALSE(end->report->has("error"));
    }
    CHECK(outcome.source.text("role") == "source");
    CHECK(outcome.destination.text("role") == "destination");
    CHECK(outcome.source.text("session") == outcome.destination.text("session"));
    check_transfer_told(outcome.source, outcome.destination);
    const std::size_t devices = outcome.source.report->size("devices");
    CHECK(outcome.destination.report->size("devices") == devices);
    for (std::size_t i = 0; i < devices; ++i) {
        const std::string path = "devices." + std::to_string(i) + ".";
        CHECK(outcome.source.text(path + "final-state") == "stop");
        check_same_device(outcome.source, outcome.destination, path);
    }
}

void check_source_kept(const Outcome& outcome, const std::string& prior_state) {
    INFO(describe(outcome));
    REQUIRE(outcome.source.report.has_value());
    CHECK(outcome.source.text("owner") == "source");
    CHECK(outcome.source.report->flag("retry-safe"));
    for (std::size_t i = 0; i < outcome.source.report->size("devices"); ++i) {
        CHECK(outcome.source.text("devices." + std::to_string(i) + ".final-state") == prior_state);
    }
    REQUIRE(outcome.destination.report.has_value());
    CHECK(outcome.destination.text("owner") != "destination");
    // A device that never got any of the source's state may do what it did before.
    if (outcome.destination.number("transferred") == 0) return;
    for (std::size_t i = 0; i < outcome.destination.report->size("devices"); ++i) {
        CHECK(outcome.destination.text("devices." + std::to_string(i) + ".final-state") !=
              "running");
    }
}

void check_failed(const CommandEnd& end, const std::string& code, int exit_code) {
    CHECK(end.exit_code == exit_code);
    REQUIRE(end.report.has_value());
    CHECK(end.text("error.code") == code);
    CHECK_FALSE(end.text("error.message").empty());
    // People read the same on standard error.
    CHECK_FALSE(end.standard_error.empty());
}

}  // namespace multifd
