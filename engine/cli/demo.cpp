// multifd demo: both ends on this host, as two processes, with devices of their own.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include "engine/cli/child_process.hpp"
#include "engine/cli/result_file.hpp"
#include "engine/cli/run_settings.hpp"
#include "engine/cli/scratch_folder.hpp"
#include "engine/cli/subcommands.hpp"

namespace multifd {
namespace {

using Words = std::vector<std::string>;

constexpr std::chrono::seconds kListenPatience{30};
constexpr std::chrono::seconds kRunPatience{180};
/// When one end has ended, the other soon knows.
constexpr std::chrono::seconds kOtherPatience{45};
constexpr std::chrono::seconds kTermPatience{5};

constexpr std::uint32_t kChannels = 4;  ///< Without --multifd-channels.

constexpr std::array kDevices{
    "memory,idstr=gpu0,size=256MiB,seed=1,config-size=4KiB,compressible=30,multifd=on",
    "memory,idstr=nic0,size=64MiB,seed=2,config-size=1KiB,precopy=on,dirty-rate=8MiB,multifd=on",
    "memory,idstr=nvme0,size=4MiB,seed=3,config-size=64,multifd=off",
};

/// The two ends, and what a signal does to them.
class DemoRun {
  public:
    DemoRun(const ScratchFolder& folder, const CommandSettings& settings)
        : folder_(folder), settings_(settings) {}

    /// Starts the destination and, once that listens, the source.
    void start(Signals& signals) {
        Words receive{"receive", "--listen", "tcp:127.0.0.1:0", "--address-file",
                      folder_.file("address")};
        destination_ = std::make_unique<ChildProcess>(
            receive_words(std::move(receive)),
            ChildOutput{folder_.file("destination.out"), folder_.file("destination.err")});
        signals.handle([this](int signal, int count) { return pass_on(signal, count); });
        const std::string address = await_address();
        if (address.empty()) return;
        Words send{"send", "--to", address, "--packet-size",
                   std::to_string(settings_.source.packet_size)};
        auto source = std::make_unique<ChildProcess>(send_words(std::move(send)),
                                                     ChildOutput{folder_.file("source.out"), ""});
        // handle() waits for an action that runs, so none of them sees a half-made end.
        signals.handle(nullptr);
        source_ = std::move(source);
        signals.handle([this](int signal, int count) { return pass_on(signal, count); });
    }

    void finish() {
        const bool ended = await_one();
        if (source_) source_code_ = end(*source_, ended);
        destination_code_ = end(*destination_, ended);
    }

    [[nodiscard]] std::optional<int> source_code() const noexcept { return source_code_; }
    /// Whether a signal came; the ends then say what became of them.
    [[nodiscard]] bool interrupted() const noexcept { return interrupted_; }
    [[nodiscard]] int destination_code() const noexcept { return destination_code_; }

  private:
    Words common(Words words, std::string_view role) const {
        const auto add = [&words](std::string name, std::string value) {
            words.push_back(std::move(name));
            words.push_back(std::move(value));
        };
        for (const char* device : kDevices) add("--device", device);
        add("--multifd-channels", std::to_string(settings_.source.multifd_channels));
        add("--verify", settings_.source.verify ? "on" : "off");
        add("--state-dir", folder_.file(std::string(role) + ".state"));
        add("--json", folder_.file(std::string(role) + ".json"));
        add("--on-unknown-owner", "exit");
        return words;
    }
    Words receive_words(Words words) const { return common(std::move(words), "destination"); }
    Words send_words(Words words) const {
        words = common(std::move(words), "source");
        words.push_back("--log-level");
        words.emplace_back(to_string(settings_.log_level));
        return words;
    }

    std::string await_address() {
        const auto deadline = std::chrono::steady_clock::now() + kListenPatience;
        while (std::chrono::steady_clock::now() < deadline) {
            std::string address = folder_.text("address");
            if (address.ends_with('\n')) return address.substr(0, address.size() - 1);
            if (destination_->wait(std::chrono::milliseconds(20))) break;
        }
        return "";
    }

    /// Whether either has ended in time.
    bool await_one() {
        const auto deadline = std::chrono::steady_clock::now() + kRunPatience;
        while (std::chrono::steady_clock::now() < deadline) {
            if (source_ && source_->wait(std::chrono::milliseconds(20))) return true;
            if (destination_->wait(std::chrono::milliseconds(20))) return true;
            if (!source_) return false;
        }
        return false;
    }

    static int end(ChildProcess& child, bool soon) {
        std::optional<int> code =
            child.wait(soon ? kOtherPatience : std::chrono::milliseconds::zero());
        if (code) return *code;
        child.signal(SIGTERM);
        code = child.wait(kTermPatience);
        if (code) return *code;
        child.signal(SIGKILL);
        return child.wait(kTermPatience).value_or(static_cast<int>(ExitCode::timeout));
    }

    std::optional<std::chrono::milliseconds> pass_on(int signal, int count) {
        interrupted_ = true;
        // The ends count for themselves: a second signal makes them exit at once.
        if (source_) source_->signal(count > 2 ? SIGKILL : signal);
        if (destination_) destination_->signal(count > 2 ? SIGKILL : signal);
        if (count > 2) ::_exit(128 + signal);
        return std::nullopt;
    }

    const ScratchFolder& folder_;
    const CommandSettings& settings_;
    std::unique_ptr<ChildProcess> destination_;
    std::unique_ptr<ChildProcess> source_;
    std::optional<int> source_code_;        ///< Empty: it was never started.
    std::atomic<bool> interrupted_{false};  ///< Publishes nothing but itself.
    int destination_code_ = static_cast<int>(ExitCode::internal);
};

std::string opening(const CommandSettings& settings) {
    std::string text = "multifd demo: two processes on this host move " +
                       std::to_string(kDevices.size()) + " devices over " +
                       std::to_string(settings.source.multifd_channels) + " channels\n";
    for (const char* device : kDevices) text += std::string("  ") + device + "\n";
    return text;
}

std::string closing(const DemoRun& run, bool verified, const ScratchFolder& folder) {
    if (run.source_code() == 0 && run.destination_code() == 0) {
        return std::string("demo: passed: the destination runs every device") +
               (verified ? ", and the digests of both ends agree\n" : "\n");
    }
    if (run.interrupted()) return "demo: interrupted\n";
    const std::string send = run.source_code()
                                 ? "send exited with " + std::to_string(*run.source_code())
                                 : "send was not started";
    return "demo: FAILED: " + send + ", receive exited with " +
           std::to_string(run.destination_code()) + "; their files are in " + folder.path() + "\n";
}

void print(const std::string& text) {
    const std::error_code error = write_result("-", text);
    if (error) throw StartFailure(Errc::output_failed, "standard output: " + error.message());
}

}  // namespace

int demo(const Arguments& arguments, CommandContext& context) {
    RunSettings settings = settle(arguments);
    settings.command.log_level = settings.log_choice();
    const auto channels =
        std::ranges::find(settings.effective, "multifd-channels", &EffectiveSetting::name);
    if (channels->origin == SettingOrigin::default_value) {
        settings.command.source.multifd_channels = kChannels;
    }
    ScratchFolder folder("multifd-demo");
    DemoRun run(folder, settings.command);
    print(opening(settings.command));
    run.start(context.signals);
    run.finish();
    context.signals.handle(leave_at_once);
    const int worse = std::max(run.source_code().value_or(0), run.destination_code());
    if (worse != 0 && !run.interrupted()) folder.keep();
    print("\n" + folder.text("source.out") + "\n" + folder.text("destination.out") + "\n");
    if (worse != 0) print(folder.text("destination.err"));
    print(closing(run, settings.command.source.verify, folder));
    return worse;
}

}  // namespace multifd
