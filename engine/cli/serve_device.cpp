// multifd serve-device: devices of ours behind vfio-user sockets, until a signal.
#include <unistd.h>

#include <filesystem>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <system_error>
#include <thread>

#include "channels/transport/interrupt.hpp"
#include "channels/transport/quiet_thread.hpp"
#include "engine/cli/console_log.hpp"
#include "engine/cli/run_settings.hpp"
#include "engine/cli/subcommands.hpp"
#include "engine/devices/vfio_user/device_server.hpp"

namespace multifd {
namespace {

using vfio_user::DeviceServer;
using vfio_user::ServedDevice;
using vfio_user::ServedIdentity;
using vfio_user::SharedBacking;

constexpr std::chrono::milliseconds kAskAgain{50};
constexpr int kAsksUntilSaid = 20;

void require_pairs(const RunSettings& settings) {
    const auto& sockets = settings.command.served.sockets;
    if (sockets.empty() || sockets.size() != settings.devices.size()) {
        throw UsageError(
            "serve-device needs a --socket PATH for each --device, in the same order; " +
            std::to_string(sockets.size()) + " and " + std::to_string(settings.devices.size()) +
            " were given");
    }
    std::set<std::filesystem::path> places;
    for (const std::string& socket : sockets) {
        if (places.insert(std::filesystem::path(socket).lexically_normal()).second) continue;
        throw UsageError("--socket " + socket + " is given twice; each device needs its own");
    }
}

/// Everything that one run serves, and the threads that do.
/// Threads:   stop() and remove_files() from any thread, the rest from one.
class Service {
  public:
    Service(const RunSettings& settings, ConsoleLog& log)
        : log_(log), entries_(make_devices(settings, settings.command.served.role)) {
        const ServeChoices& choices = settings.command.served;
        open_backing(choices.backing);
        for (std::size_t index = 0; index < entries_.size(); ++index) {
            add(index, choices);
        }
    }

    /// Until stop().
    void run() {
        std::vector<std::thread> threads;
        threads.reserve(servers_.size());
        const auto join = [&threads] {
            for (std::thread& thread : threads) thread.join();
        };
        try {
            for (DeviceServer& server : servers_) {
                threads.push_back(start_quiet_thread("serve-device", [&server] { server.run(); }));
            }
        } catch (...) {
            stop();
            join();
            throw;
        }
        join();
    }

    /// Ends run() as soon as the devices' calls return.
    void stop() noexcept {
        stop_.raise();
        for (ServedDevice& device : devices_) device.interrupt();
    }

    void say_what_is_waited_for() {
        log_.line({LogLevel::warning, "", "server", "",
                   "a device call has not come back; a second signal ends this command at once"});
    }

    void remove_files() const noexcept {
        for (const DeviceServer& server : servers_) server.remove_file();
    }

  private:
    void open_backing(const std::string& path) {
        if (path.empty()) return;
        std::vector<bool> runs;
        for (const DeviceEntry& entry : entries_) {
            runs.push_back(vfio_user::acts_in(entry.device->state()));
        }
        try {
            backing_.emplace(path, std::move(runs));
        } catch (const std::system_error& error) {
            throw UsageError(std::string("--shared-backing: ") + error.what());
        }
    }

    void add(std::size_t index, const ServeChoices& choices) {
        const DeviceEntry& entry = entries_[index];
        const std::string& path = choices.sockets[index];
        ServedIdentity identity{std::string(entry.device->traits().kind), entry.idstr,
                                entry.instance_id};
        ServedDevice& device =
            devices_.emplace_back(*entry.device, std::move(identity), choices.chunk_size,
                                  ServedDevice::Backing{backing_ ? &*backing_ : nullptr, index});
        const auto say = [this, name = entry.idstr](LogLevel level, const std::string& message) {
            log_.line({level, "", "server", "", name + ": " + message});
        };
        try {
            servers_.emplace_back(path, device, choices.interface, stop_, say);
        } catch (const std::system_error& error) {
            throw StartFailure(Errc::listen_failed,
                               std::string("cannot listen on ") + error.what());
        }
        say(LogLevel::info, "serving on unix:" + path);
    }

    ConsoleLog& log_;
    Interrupt stop_;
    std::vector<DeviceEntry> entries_;
    std::optional<SharedBacking> backing_;
    std::list<ServedDevice> devices_;  // Lists: what points into them stays.
    std::list<DeviceServer> servers_;
};

/// The first signal ends the service, and goes on interrupting until it has ended; a second one
/// does not wait for a device that does not come back.
Signals::Action end_service(Service& service) {
    return [&service, asked = 0](int signal, int count) mutable {
        if (count > 1) {
            service.remove_files();
            ::_exit(128 + signal);
        }
        service.stop();
        if (++asked == kAsksUntilSaid) service.say_what_is_waited_for();
        return std::optional(kAskAgain);
    };
}

/// While it lives signals end the service, which outlives it.
class EndsOnSignal {
  public:
    EndsOnSignal(Signals& signals, Service& service) : signals_(signals) {
        signals_.handle(end_service(service));
    }
    ~EndsOnSignal() { signals_.handle(nullptr); }
    EndsOnSignal(const EndsOnSignal&) = delete;
    EndsOnSignal& operator=(const EndsOnSignal&) = delete;

  private:
    Signals& signals_;
};

}  // namespace

int serve_device(const Arguments& arguments, CommandContext& context) {
    const RunSettings settings = settle(arguments);
    require_pairs(settings);
    ConsoleLog log(context.console, settings.log_choice());
    // A socket's file is removed by whoever comes to an end in good order.
    context.signals.handle(wait_for_the_next_action());
    Service service(settings, log);
    const EndsOnSignal ends(context.signals, service);
    service.run();
    return static_cast<int>(ExitCode::completed);
}

}  // namespace multifd
