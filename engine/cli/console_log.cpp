#include "engine/cli/console_log.hpp"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <string>

namespace multifd {
namespace {

constexpr std::size_t kWaitingLinesMax = 4096;

spdlog::level::level_enum to_spdlog(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

spdlog::level::level_enum threshold_of(LogChoice choice) {
    switch (choice) {
        case LogChoice::debug:
            return spdlog::level::debug;
        case LogChoice::info:
            return spdlog::level::info;
        case LogChoice::warning:
            return spdlog::level::warn;
        case LogChoice::error:
            return spdlog::level::err;
        case LogChoice::none:
            return spdlog::level::off;
    }
    return spdlog::level::info;
}

Console::Style style_of(spdlog::level::level_enum level) {
    if (level >= spdlog::level::err) return Console::Style::error;
    if (level == spdlog::level::warn) return Console::Style::warning;
    return Console::Style::plain;
}

/// Formats on the logger's thread and hands the line to the console.
class ConsoleSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
  public:
    explicit ConsoleSink(Console& console)
        : base_sink(std::make_unique<spdlog::pattern_formatter>(
              "%Y-%m-%dT%H:%M:%S.%eZ %v", spdlog::pattern_time_type::utc, std::string())),
          console_(console) {}

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override {
        spdlog::memory_buf_t formatted;
        formatter_->format(message, formatted);
        console_.print_line({formatted.data(), formatted.size()}, style_of(message.level));
    }
    void flush_() override {}

  private:
    Console& console_;
};

/// "1a2b3c4d source active: message"; what is unknown is left out.
std::string body_of(const LogLine& line) {
    std::string body;
    const auto add = [&body](std::string_view word) {
        if (word.empty()) return;
        body += word;
        body += ' ';
    };
    add(line.session.substr(0, 8));
    add(line.role);
    add(line.phase);
    if (!body.empty()) body.back() = ':';
    if (!body.empty()) body += ' ';
    if (line.level == LogLevel::warning) body += "warning: ";
    if (line.level == LogLevel::error) body += "error: ";
    body += line.message;
    return body;
}

}  // namespace

class ConsoleLog::Implementation {
  public:
    Implementation(Console& console, LogChoice choice)
        : pool_(std::make_shared<spdlog::details::thread_pool>(kWaitingLinesMax, 1)),
          logger_(std::make_shared<spdlog::async_logger>(
              "multifd", std::make_shared<ConsoleSink>(console), pool_,
              spdlog::async_overflow_policy::overrun_oldest)) {
        logger_->set_level(threshold_of(choice));
    }

    void line(const LogLine& line) {
        const auto level = to_spdlog(line.level);
        if (logger_->should_log(level)) logger_->log(level, "{}", body_of(line));
    }

  private:
    // The pool's destructor, which runs last, prints what waits and joins its thread.
    std::shared_ptr<spdlog::details::thread_pool> pool_;
    std::shared_ptr<spdlog::async_logger> logger_;
};

ConsoleLog::ConsoleLog(Console& console, LogChoice choice)
    : implementation_(std::make_unique<Implementation>(console, choice)) {}

ConsoleLog::~ConsoleLog() = default;

LogSink ConsoleLog::sink() {
    return [this](const LogLine& given) { line(given); };
}

void ConsoleLog::line(const LogLine& line) {
    implementation_->line(line);
}

}  // namespace multifd
