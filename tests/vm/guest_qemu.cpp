#include "tests/vm/guest_qemu.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <sstream>
#include <stdexcept>

namespace multifd::vm {
namespace {

// Where tests/vm/run.py puts QEMU 10 in the virtual machine.
constexpr const char* kFolder = "/vm/qemu";
constexpr int kAnswerTimeMs = 60'000;

/// A socket whose peer is there before QEMU begins: QEMU connects to it, so nobody polls for it.
class MonitorListener {
  public:
    explicit MonitorListener(const std::string& path)
        : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        const auto* generic = reinterpret_cast<const sockaddr*>(&address);
        if (::bind(fd_, generic, sizeof address) != 0 || ::listen(fd_, 1) != 0) {
            throw std::runtime_error("no monitor socket at " + path);
        }
    }
    ~MonitorListener() { ::close(fd_); }
    MonitorListener(const MonitorListener&) = delete;
    MonitorListener& operator=(const MonitorListener&) = delete;

    /// -1 when nobody came in time.
    [[nodiscard]] int accept() const {
        pollfd waiting{fd_, POLLIN, 0};
        if (::poll(&waiting, 1, kAnswerTimeMs) != 1) return -1;
        return ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    }

  private:
    int fd_;
};

}  // namespace

std::string GuestQemu::idstr(std::size_t index) {
    return "0000:00:0" + std::to_string(index + 4) + ".0/vfio";
}

GuestQemu::GuestQemu(const std::vector<std::string>& devices, Transfer transfer,
                     const std::vector<std::string>& more) {
    const std::string folder = kFolder;
    ProcessSettings settings;
    settings.arguments = {folder + "/lib/ld-linux-x86-64.so.2",
                          "--library-path",
                          folder + "/lib",
                          folder + "/qemu-system-x86_64",
                          "-L",
                          folder + "/share",
                          "-machine",
                          "pc-q35-10.0",
                          "-accel",
                          "tcg",
                          "-m",
                          "16M",
                          "-S",
                          "-nodefaults",
                          "-display",
                          "none",
                          "-qmp",
                          "unix:" + (folder_ / "qmp") + ",server=off"};
    for (std::size_t index = 0; index < devices.size(); ++index) {
        // This kernel gives no reports of what a device has written by DMA, so QEMU must not ask.
        settings.arguments.emplace_back("-device");
        settings.arguments.push_back("vfio-pci,x-device-dirty-page-tracking=off,sysfsdev=" +
                                     devices[index] + ",addr=" + std::to_string(index + 4) +
                                     ".0,enable-migration=on,x-migration-multifd-transfer=" +
                                     (transfer == Transfer::channels ? "on" : "off"));
    }
    settings.arguments.insert(settings.arguments.end(), more.begin(), more.end());
    settings.standard_output = folder_ / "output";
    settings.standard_error = folder_ / "errors";
    const MonitorListener listener(folder_ / "qmp");
    process_ = std::make_unique<Process>(settings);
    monitor_ = listener.accept();
    if (monitor_ < 0) throw std::runtime_error("QEMU does not start: " + said());
    (void)next_message();  // The greeting.
    (void)execute("qmp_capabilities");
}

GuestQemu::~GuestQemu() {
    if (monitor_ >= 0) ::close(monitor_);
    process_->kill();
}

std::string GuestQemu::said() const {
    return read_text(folder_ / "output") + read_text(folder_ / "errors");
}

JsonReport GuestQemu::next_message() {
    for (;;) {
        const auto end = received_.find('\n');
        if (end != std::string::npos) {
            const auto message = JsonReport::parse(received_.substr(0, end));
            received_.erase(0, end + 1);
            if (!message) throw std::runtime_error("QEMU's monitor gave no JSON");
            if (message->has("event") && message->text("event") == "MIGRATION") {
                last_status_ = message->text("data.status");
            }
            return *message;
        }
        pollfd waiting{monitor_, POLLIN, 0};
        if (::poll(&waiting, 1, kAnswerTimeMs) != 1) {
            throw std::runtime_error("QEMU's monitor does not answer: " + said());
        }
        std::array<char, 65536> piece{};
        const auto got = ::read(monitor_, piece.data(), piece.size());
        if (got <= 0) throw std::runtime_error("QEMU has ended: " + said());
        received_.append(piece.data(), static_cast<std::size_t>(got));
    }
}

JsonReport GuestQemu::execute(const std::string& command, const std::string& arguments) {
    const std::string request =
        R"({"execute":")" + command + R"(","arguments":)" + arguments + "}\n";
    if (::send(monitor_, request.data(), request.size(), MSG_NOSIGNAL) < 0) {
        throw std::runtime_error("QEMU has ended: " + said());
    }
    for (;;) {
        JsonReport answer = next_message();
        if (answer.has("error")) {
            throw std::runtime_error("QEMU refuses " + command + ": " + answer.text("error.desc"));
        }
        if (!answer.has("event")) return answer;
    }
}

void GuestQemu::prepare_migration(unsigned channels) {
    (void)execute("migrate-set-capabilities",
                  R"({"capabilities":[{"capability":"events","state":true},)"
                  R"({"capability":"multifd","state":true},)"
                  R"({"capability":"return-path","state":true}]})");
    // No limit of bandwidth; what is left at the switchover may take its time, since all of it is
    // to be moved in any case.
    (void)execute("migrate-set-parameters",
                  R"({"max-bandwidth":0,"downtime-limit":60000,"multifd-channels":)" +
                      std::to_string(channels) + "}");
}

JsonReport GuestQemu::await_migration() {
    while (last_status_ != "completed" && last_status_ != "failed" && last_status_ != "cancelled") {
        (void)next_message();
    }
    return execute("query-migrate");
}

double GuestQemu::cpu_seconds() const {
    const std::string text = read_text("/proc/" + std::to_string(process_->pid()) + "/stat");
    // Fields 14 and 15, user and system time in ticks; the second may hold blanks, in parentheses.
    std::istringstream fields(text.substr(text.rfind(')') + 2));
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    double user = 0, system = 0;
    fields >> user >> system;
    return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace multifd::vm
