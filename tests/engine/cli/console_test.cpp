#include "engine/cli/console.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <regex>
#include <thread>

#include "engine/cli/console_log.hpp"
#include "engine/cli/printable_text.hpp"
#include "engine/cli/progress_watch.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {
namespace {

constexpr Console::Traits kTerminal{.terminal = true, .color = false};
constexpr Console::Traits kFile{.terminal = false, .color = false};

/// A console that writes to a file.
struct Screen {
    explicit Screen(Console::Traits traits)
        : descriptor(::open((folder / "screen").c_str(), O_CREAT | O_RDWR, 0600)),
          console(std::in_place, descriptor, traits) {}
    ~Screen() { ::close(descriptor); }
    Screen(const Screen&) = delete;
    Screen& operator=(const Screen&) = delete;

    [[nodiscard]] std::string text() const { return read_text(folder / "screen"); }

    TemporaryFolder folder;
    int descriptor;
    std::optional<Console> console;
};

/// What a terminal would show: "\r\x1b[2K" erases the line it is on.
std::vector<std::string> shown(const std::string& bytes) {
    std::vector<std::string> lines{""};
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        if (bytes.compare(at, 5, "\r\x1b[2K") == 0) {
            lines.back().clear();
            at += 4;
        } else if (bytes[at] == '\n') {
            lines.emplace_back();
        } else {
            lines.back() += bytes[at];
        }
    }
    return lines;
}

Statistics running(std::uint64_t transferred) {
    Statistics statistics;
    statistics.role = Role::source;
    statistics.status = Status::active;
    statistics.session = "0123456789abcdef0123456789abcdef";
    statistics.transferred = transferred;
    statistics.remaining = 3U << 20U;
    DeviceReport quick;
    quick.idstr = "quick";
    quick.bytes = 90;
    quick.expected_bytes = 100;
    DeviceReport slow = quick;
    slow.idstr = "slow";
    slow.bytes = 41;
    statistics.devices = {quick, slow};
    return statistics;
}

}  // namespace

TEST_CASE("the live line stays below the lines that stay, and is gone at the end", "[cli]") {
    Screen screen(kTerminal);
    screen.console->show_live("10%");
    screen.console->print_line("first");
    screen.console->show_live("20%");
    CHECK(shown(screen.text()) == std::vector<std::string>{"first", "20%"});
    screen.console->print_line("second");
    CHECK(shown(screen.text()) == std::vector<std::string>{"first", "second", "20%"});
    screen.console.reset();
    CHECK(shown(screen.text()) == std::vector<std::string>{"first", "second", ""});
}

TEST_CASE("what is no terminal gets lines alone, and no escapes", "[cli]") {
    Screen screen(kFile);
    screen.console->show_live("10%");
    screen.console->print_line("first", Console::Style::error);
    screen.console->clear_live();
    screen.console.reset();
    CHECK(screen.text() == "first\n");
}

TEST_CASE("a live line is cut to the terminal's width", "[cli]") {
    Screen screen(kTerminal);
    screen.console->show_live(std::string(1000, 'x'));
    CHECK(shown(screen.text()).back().size() == screen.console->width() - 1);
}

TEST_CASE("NO_COLOR and a dumb terminal are honoured", "[cli]") {
    const char* kept = std::getenv("NO_COLOR");
    const std::string former = kept == nullptr ? "" : kept;
    const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
    REQUIRE(terminal >= 0);
    ::setenv("TERM", "xterm", 1);
    ::unsetenv("NO_COLOR");
    if (Console::describe(terminal).terminal) {  // Some kernels say so of the other end alone.
        CHECK(Console::describe(terminal).color);
        ::setenv("NO_COLOR", "", 1);
        CHECK(Console::describe(terminal).color);
        ::setenv("NO_COLOR", "1", 1);
        CHECK_FALSE(Console::describe(terminal).color);
        ::setenv("TERM", "dumb", 1);
        CHECK_FALSE(Console::describe(terminal).terminal);
    }
    ::close(terminal);
    ::setenv("NO_COLOR", former.c_str(), 1);
    Screen screen({.terminal = false, .color = true});
    screen.console->print_line("red", Console::Style::error);
    CHECK(screen.text() == "\x1b[31mred\x1b[0m\n");
}

TEST_CASE("text from elsewhere cannot move the cursor or begin a line", "[cli]") {
    CHECK(printable("gpu\x1b[2J\r\n0\x7f") == "gpu?[2J??0?");
    CHECK(printable("caf\xc3\xa9") == "caf\xc3\xa9");
    CHECK(printable("\xc2\x9bm") == "??m");
    Screen screen(kFile);
    screen.console->print_line("one\ntwo");
    CHECK(screen.text() == "one?two\n");
}

TEST_CASE("log lines carry UTC time, session, role and phase", "[cli]") {
    Screen screen(kFile);
    {
        ConsoleLog log(*screen.console, LogChoice::info);
        const LogSink sink = log.sink();
        sink({LogLevel::info, "0123456789abcdef", "source", "active", "round 1 {}"});
        sink({LogLevel::debug, "", "source", "", "hidden"});
        sink({LogLevel::warning, "", "listener", "", "exposed"});
    }
    const std::string text = screen.text();
    CAPTURE(text);
    const std::regex expected(
        R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z 01234567 source active: round 1 \{\}\n)"
        R"(\S+Z listener: warning: exposed\n)");
    CHECK(std::regex_match(text, expected));
}

TEST_CASE("a log that prints nothing, prints nothing", "[cli]") {
    Screen screen(kFile);
    {
        ConsoleLog log(*screen.console, LogChoice::none);
        log.line({LogLevel::error, "", "source", "", "hidden"});
    }
    CHECK(screen.text().empty());
}

TEST_CASE("lines of many threads come whole", "[cli]") {
    constexpr int kThreads = 4;
    constexpr int kLines = 200;
    Screen screen(kTerminal);
    {
        ConsoleLog log(*screen.console, LogChoice::info);
        std::vector<std::thread> threads;
        for (int thread = 0; thread < kThreads; ++thread) {
            threads.emplace_back([&log, &screen] {
                for (int line = 0; line < kLines; ++line) {
                    log.line({LogLevel::info, "", "source", "", std::string(60, 'a')});
                    screen.console->show_live(std::to_string(line));
                }
            });
        }
        for (std::thread& thread : threads) thread.join();
    }
    screen.console->clear_live();
    const auto lines = shown(screen.text());
    CHECK(lines.size() == kThreads * kLines + 1);
    const auto broken = std::ranges::count_if(lines, [](const std::string& line) {
        return !line.empty() && !line.ends_with("Z source: " + std::string(60, 'a'));
    });
    CHECK(broken == 0);
}

TEST_CASE("the progress line leaves out what matters least when there is no room", "[cli]") {
    ProgressLine line;
    const auto start = ProgressLine::Clock::time_point{};
    line.text(running(0), start, 200);
    const auto after = start + std::chrono::seconds(1);
    CHECK(line.text(running(1U << 20U), after, 200) ==
          "01234567  active  1.00 MiB  8.39 Mbit/s  3.00 MiB left  slowest slow 41%");
    for (std::size_t width = 1; width < 100; ++width) {
        CHECK(line.text(running(1U << 20U), after, width).size() <= width);
    }
    CHECK(line.text(running(1U << 20U), after, 50) ==
          "active  1.00 MiB  8.39 Mbit/s  3.00 MiB left");
    CHECK(line.text(running(1U << 20U), after, 6) == "active");
    CHECK(line.log_text(running(1U << 20U), after) ==
          "1.00 MiB, 8.39 Mbit/s, 3.00 MiB left, slowest slow 41%");
}

TEST_CASE("the progress line says what is awaited when no bytes have to move", "[cli]") {
    ProgressLine line;
    Statistics statistics = running(1U << 20U);
    statistics.status = Status::device;
    statistics.remaining = 0;
    statistics.devices.clear();
    statistics.waits_for = "the destination to load";
    CHECK(line.text(statistics, ProgressLine::Clock::now(), 200) ==
          "01234567  device  1.00 MiB  waiting for the destination to load");
    CHECK(line.log_text(statistics, ProgressLine::Clock::now()) ==
          "1.00 MiB, waiting for the destination to load");
}

TEST_CASE("the rate is that of the last two seconds", "[cli]") {
    ProgressLine line;
    auto now = ProgressLine::Clock::time_point{};
    // Ten seconds at 1 MB/s, then ten at 3 MB/s.
    std::uint64_t bytes = 0;
    for (int tick = 0; tick < 100; ++tick) {
        line.text(running(bytes), now, 200);
        bytes += tick < 50 ? 200'000 : 600'000;
        now += std::chrono::milliseconds(200);
    }
    CHECK_THAT(line.text(running(bytes), now, 200), Catch::Contains("24.0 Mbit/s"));
}

TEST_CASE("the first line already has a rate, that since the start", "[cli]") {
    ProgressLine line;
    Statistics statistics = running(2'000'000);
    statistics.elapsed_ms = 500;
    CHECK_THAT(line.text(statistics, ProgressLine::Clock::now(), 200),
               Catch::Contains("32.0 Mbit/s"));
}

TEST_CASE("the slowest device is the one with the smallest part done", "[cli]") {
    Statistics statistics = running(0);
    CHECK(slowest_device(statistics) == "slow 41%");
    statistics.devices[1].expected_bytes = 0;
    CHECK(slowest_device(statistics) == "quick 90%");
    statistics.devices[0].bytes = 100;
    CHECK(slowest_device(statistics) == "");
}

TEST_CASE("the progress of a run is shown on a terminal and erased at its end", "[cli]") {
    Screen screen(kTerminal);
    {
        ConsoleLog log(*screen.console, LogChoice::info);
        std::mutex mutex;
        std::condition_variable asked;
        int count = 0;
        const ProgressWatch watch(
            *screen.console, log,
            [&] {
                const std::lock_guard lock(mutex);
                ++count;
                asked.notify_all();
                return running(static_cast<std::uint64_t>(count) << 20U);
            },
            false);
        std::unique_lock lock(mutex);
        REQUIRE(asked.wait_for(lock, std::chrono::seconds(30), [&] { return count >= 3; }));
    }
    CHECK_THAT(screen.text(), Catch::Contains("01234567  active  2.00 MiB"));
    CHECK(shown(screen.text()) == std::vector<std::string>{""});
}

TEST_CASE("a console that nobody reads drops lines instead of waiting", "[cli]") {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0);
    const std::string filling(4096, 'x');
    while (::write(ends[1], filling.data(), filling.size()) > 0) continue;
    REQUIRE(::fcntl(ends[1], F_SETFL, 0) == 0);
    {
        Console console(ends[1], kFile);
        for (int line = 0; line < 1000; ++line) console.print_line("dropped");
        std::string taken(filling.size(), '\0');
        while (::read(ends[0], taken.data(), taken.size()) > 0) continue;
        console.print_line("taken again");
        const ssize_t length = ::read(ends[0], taken.data(), taken.size());
        REQUIRE(length > 0);
        CHECK(taken.substr(0, static_cast<std::size_t>(length)) == "taken again\n");
    }
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace multifd
