// SessionPair: a Source and a Destination of one process, over real sockets.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "multifd/destination.hpp"
#include "multifd/listener.hpp"
#include "multifd/source.hpp"
#include "tests/engine/sessions/scripted_device.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd {

/// Both ends with settings of their own, small timeouts, and a journal that sees both ends' devices
/// ("source/gpu0 read", "destination/gpu0 write").
class SessionPair {
  public:
    SessionPair();
    ~SessionPair();

    SourceSettings source_settings;
    DestinationSettings destination_settings;
    std::vector<std::string> listen_on;  ///< Where; a UNIX socket when empty.
    Host* source_host = nullptr;
    Host* destination_host = nullptr;
    Journal journal;

    /// A device at both ends; the scripts' names and journals are filled in.
    void add_device(const std::string& idstr, ScriptedDevice::Script source,
                    ScriptedDevice::Script destination = {},
                    MultifdProperty property = MultifdProperty::automatic);
    /// Devices of any kind, which only their owner looks at.
    void add_devices(const std::string& idstr, std::shared_ptr<Device> source,
                     std::shared_ptr<Device> destination);
    ScriptedDevice& source_device(std::size_t index) { return *source_scripted_[index]; }
    ScriptedDevice& destination_device(std::size_t index) { return *destination_scripted_[index]; }

    struct Reports {
        Report source;
        Report destination;
    };
    /// Starts both ends; await() waits for them.
    void start();
    void start_destination();
    void start_source();
    /// Where the destination listens, once started.
    [[nodiscard]] std::string address() const { return listener_->address(); }
    [[nodiscard]] std::vector<std::string> addresses() const { return listener_->addresses(); }
    Reports await();
    Reports run();
    Source& source() { return *source_; }
    Destination& destination() { return *destination_; }
    /// Waits until that end's status is `status`; false after 20 s.
    bool await_source_status(Status status);
    bool await_destination_status(Status status);
    [[nodiscard]] std::string record_folder(Role role) const;

  private:
    TemporaryFolder folder_;
    std::vector<DeviceEntry> source_entries_, destination_entries_;
    std::vector<std::shared_ptr<ScriptedDevice>> source_scripted_, destination_scripted_;
    std::unique_ptr<Listener> listener_;
    std::unique_ptr<Source> source_;
    std::unique_ptr<Destination> destination_;
    Reports reports_;
    std::thread source_thread_, destination_thread_;
};

}  // namespace multifd
