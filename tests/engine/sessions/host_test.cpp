// A toy VMM: its memory travels in sections of its own, and it is asked at every step.
#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <future>
#include <mutex>
#include <set>
#include <thread>

#include "tests/engine/sessions/session_pair.hpp"

namespace multifd {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPages = 256;
constexpr std::size_t kPageBytes = 4096;

/// RAM with a dirty log.
/// Threads: write() from the guest; take_dirty() from the engine's host thread.
class ToyRam {
  public:
    void write(std::size_t page, std::byte value) {
        const std::scoped_lock lock(mutex_);
        std::memset(bytes_.data() + page * kPageBytes, std::to_integer<int>(value), kPageBytes);
        dirty_.insert(page);
        ++writes_;
    }
    void load(std::size_t page, std::span<const std::byte> bytes) {
        const std::scoped_lock lock(mutex_);
        std::memcpy(bytes_.data() + page * kPageBytes, bytes.data(), bytes.size());
    }
    std::vector<std::pair<std::size_t, std::vector<std::byte>>> take_dirty() {
        const std::scoped_lock lock(mutex_);
        std::vector<std::pair<std::size_t, std::vector<std::byte>>> pages;
        for (const auto page : dirty_) {
            const auto* begin = bytes_.data() + page * kPageBytes;
            pages.emplace_back(page, std::vector<std::byte>(begin, begin + kPageBytes));
        }
        dirty_.clear();
        return pages;
    }
    std::size_t dirty_pages() const {
        const std::scoped_lock lock(mutex_);
        return dirty_.size();
    }
    std::vector<std::byte> all() const {
        const std::scoped_lock lock(mutex_);
        return bytes_;
    }
    std::uint64_t writes() const {
        const std::scoped_lock lock(mutex_);
        return writes_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::byte> bytes_ = std::vector<std::byte>(kPages * kPageBytes);
    std::set<std::size_t> dirty_;
    std::uint64_t writes_ = 0;
};

/// Both roles of a VMM: a guest thread that dirties RAM, sections "ram" that carry it.
class ToyVmm final : public Host {
  public:
    ~ToyVmm() override { stop_guest(); }
    ToyRam ram;
    std::uint64_t writes_at_pause = 0;
    std::atomic<bool> started = false;
    std::vector<std::string> steps;
    std::string fail_at;  ///< The step that fails.
    std::function<void(const std::string&)> at_step;

    void start_guest() {
        guest_runs_ = true;
        guest_ = std::thread([this] {
            for (std::size_t i = 0; guest_runs_; ++i) {
                ram.write((i * 7) % kPages, static_cast<std::byte>(i));
                std::this_thread::yield();
            }
        });
    }
    void stop_guest() {
        guest_runs_ = false;
        if (guest_.joinable()) guest_.join();
    }

    CallResult before_switchover(std::stop_token) override { return step("before_switchover"); }
    CallResult pause(std::stop_token) override {
        stop_guest();
        writes_at_pause = ram.writes();
        return step("pause");
    }
    CallResult about_to_commit(std::stop_token) override { return step("about_to_commit"); }
    CallResult resume(std::stop_token) override {
        start_guest();
        return step("resume");
    }
    CallResult start(std::stop_token) override {
        started = true;
        return step("start");
    }
    std::uint64_t pending_bytes() override { return ram.dirty_pages() * kPageBytes; }
    CallResult save(SavePoint point, SectionWriter& writer, std::stop_token) override {
        for (const auto& [page, bytes] : ram.take_dirty()) {
            std::vector<std::byte> section(8 + bytes.size());
            const std::uint64_t number = page;
            std::memcpy(section.data(), &number, 8);
            std::memcpy(section.data() + 8, bytes.data(), bytes.size());
            if (auto written = writer.write("ram", section); !written.ok()) return written;
        }
        if (point == SavePoint::complete) {
            if (auto written = writer.write("cpu", pattern(100)); !written.ok()) return written;
        }
        return step(point == SavePoint::complete ? "save" : "iterate");
    }
    CallResult load(std::string_view name, std::span<const std::byte> bytes,
                    std::stop_token) override {
        if (name == "ram") {
            std::uint64_t page = 0;
            std::memcpy(&page, bytes.data(), 8);
            ram.load(page, bytes.subspan(8));
        } else {
            cpu.assign(bytes.begin(), bytes.end());
        }
        return step("load");
    }
    std::vector<std::byte> cpu;

  private:
    CallResult step(const std::string& name) {
        if (steps.empty() || steps.back() != name) steps.push_back(name);
        if (at_step) at_step(name);
        if (name == fail_at) return CallResult::failure(std::errc::io_error, "the guest said no");
        return CallResult::success();
    }

    std::atomic<bool> guest_runs_ = false;
    std::thread guest_;
};

ScriptedDevice::Script with_state() {
    ScriptedDevice::Script script;
    script.state = pattern(50'000);
    return script;
}

}  // namespace

TEST_CASE("a toy VMM's memory arrives equal, and nothing is written after the pause",
          "[session][host]") {
    ToyVmm source, destination;
    SessionPair pair;
    pair.source_host = &source;
    pair.destination_host = &destination;
    pair.add_device("gpu0", with_state());
    for (std::size_t page = 0; page < kPages; ++page) source.ram.write(page, std::byte{0x55});
    source.start_guest();

    const auto reports = pair.run();

    INFO((reports.source.error ? reports.source.error->message : ""));
    REQUIRE(reports.source.status == Status::completed);
    CHECK(source.ram.all() == destination.ram.all());
    CHECK(source.ram.writes() == source.writes_at_pause);
    CHECK(destination.cpu == pattern(100));
    CHECK(destination.started);
    CHECK(pair.destination_device(0).received() == pattern(50'000));
    const std::vector<std::string> expected{"iterate", "before_switchover", "pause", "save",
                                            "about_to_commit"};
    CHECK(source.steps == expected);
    CHECK(destination.steps == std::vector<std::string>{"load", "start"});
}

TEST_CASE("a host that fails a step leaves everything as promised", "[session][host]") {
    struct Case {
        const char* step;
        Role role;
        bool paused;
    };
    const auto failing = GENERATE(values<Case>({
        {"iterate", Role::source, false},
        {"before_switchover", Role::source, false},
        {"pause", Role::source, true},
        {"save", Role::source, true},
        {"about_to_commit", Role::source, true},
        {"load", Role::destination, true},
    }));
    CAPTURE(failing.step);
    ToyVmm source, destination;
    (failing.role == Role::source ? source : destination).fail_at = failing.step;
    SessionPair pair;
    pair.source_host = &source;
    pair.destination_host = &destination;
    pair.add_device("gpu0", with_state());

    const auto reports = pair.run();

    const auto& here = failing.role == Role::source ? reports.source : reports.destination;
    REQUIRE(here.error);
    CHECK(here.error->code == "host_failed");
    CHECK(here.error->exit_code == 12);
    CHECK(here.error->message.find("the guest said no") != std::string::npos);
    CHECK(reports.source.owner == Owner::source);
    CHECK(reports.destination.owner == Owner::source);
    CHECK(pair.source_device(0).now() == DeviceState::running);
    CHECK(pair.destination_device(0).now() != DeviceState::running_p2p);
    CHECK_FALSE(destination.started);
    const bool resumed = !source.steps.empty() && source.steps.back() == "resume";
    if (failing.role == Role::source) CHECK(resumed == failing.paused);
}

TEST_CASE("a cancel at each of the host's steps returns the devices", "[session][host][cancel]") {
    const std::string step =
        GENERATE("iterate", "before_switchover", "pause", "save", "about_to_commit");
    CAPTURE(step);
    ToyVmm source, destination;
    SessionPair pair;
    source.at_step = [&](const std::string& name) {
        if (name == step) CHECK(pair.source().cancel() == CancelAnswer::accepted);
    };
    pair.source_host = &source;
    pair.destination_host = &destination;
    pair.add_device("gpu0", with_state());
    const auto reports = pair.run();
    CHECK(reports.source.status == Status::cancelled);
    CHECK(reports.destination.status == Status::cancelled);
    CHECK(pair.source_device(0).now() == DeviceState::running);
    CHECK_FALSE(destination.started);
}

TEST_CASE("a cancel after the decision is too late, and the migration completes",
          "[session][host][cancel]") {
    ToyVmm source, destination;
    SessionPair pair;
    CancelAnswer answer = CancelAnswer::not_running;
    destination.at_step = [&](const std::string& name) {
        if (name == "start") answer = pair.source().cancel();
    };
    pair.source_host = &source;
    pair.destination_host = &destination;
    pair.add_device("gpu0", with_state());
    const auto reports = pair.run();
    CHECK((answer == CancelAnswer::too_late || answer == CancelAnswer::in_doubt));
    CHECK(reports.destination.owner == Owner::destination);
    CHECK(destination.started);
    CHECK(pair.source_device(0).now() == DeviceState::stop);
}

TEST_CASE("before_switchover may wait longer than the stall timeout", "[session][host]") {
    struct Patient final : Host {
        std::promise<void> asked;
        std::promise<void> answer;
        CallResult before_switchover(std::stop_token) override {
            asked.set_value();
            answer.get_future().wait_for(20s);
            return CallResult::success();
        }
    } host;
    SessionPair pair;
    pair.source_settings.stall_timeout = pair.destination_settings.stall_timeout = 100ms;
    pair.source_host = &host;
    pair.add_device("gpu0", with_state());
    pair.start();
    REQUIRE(host.asked.get_future().wait_for(20s) == std::future_status::ready);
    const auto until = std::chrono::steady_clock::now() + 500ms;
    while (std::chrono::steady_clock::now() < until) {
        REQUIRE(pair.source().statistics().status == Status::pre_switchover);
        std::this_thread::yield();
    }
    host.answer.set_value();
    CHECK(pair.await().source.status == Status::completed);
}

TEST_CASE("a host section whose destination has no host is refused by name", "[session][host]") {
    ToyVmm source;
    source.ram.write(0, std::byte{1});
    SessionPair pair;
    pair.source_host = &source;
    pair.add_device("gpu0", with_state());
    const auto reports = pair.run();
    REQUIRE(reports.destination.error);
    CHECK(reports.destination.error->code == "host_failed");
    CHECK(reports.destination.error->message.find("'ram'") != std::string::npos);
}

}  // namespace multifd
