// Mediated devices of the virtual machine's drivers, and what the tests do with them.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/devices/vfio/vfio_attachment.hpp"
#include "multifd/device.hpp"

namespace multifd::vm {

/// A device that the driver makes now and takes away with this object. mtty keeps its migration
/// state over a close, so every run has new ones.
class MediatedDevice {
  public:
    /// `type`: "mtty-1", "mtty-2" (ports), "statebox-1".
    explicit MediatedDevice(const std::string& type);
    ~MediatedDevice();
    MediatedDevice(const MediatedDevice&) = delete;
    MediatedDevice& operator=(const MediatedDevice&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    /// "vfio,idstr=IDSTR,sysfsdev=PATH".
    [[nodiscard]] std::string described(const std::string& idstr) const;
    /// Opens it, as long as nobody else has.
    [[nodiscard]] VfioAttachment open() const;
    /// Where its driver says it is.
    [[nodiscard]] DeviceState state() const;

  private:
    std::string path_;
};

/// The registers of an mtty, a serial port without an other end, read and written as a guest would,
/// through its BARs. The device must be closed otherwise while this object lives.
class Uart {
  public:
    Uart(const MediatedDevice& device, std::uint32_t port);

    /// Characters that wait in the FIFO, which has room for 16, and the scratch register.
    struct Content {
        std::string waiting;
        std::uint8_t scratch = 0;
        friend bool operator==(const Content&, const Content&) = default;
        /// For failed tests.
        friend std::ostream& operator<<(std::ostream& stream, const Content& content) {
            return stream << '"' << content.waiting << "\", " << int{content.scratch};
        }
    };
    void put(const Content& content);
    /// Empties the FIFO.
    Content take();

  private:
    void write(std::uint8_t offset, std::uint8_t value);
    [[nodiscard]] std::uint8_t read(std::uint8_t offset);

    std::shared_ptr<VfioCalls> calls_;
    VfioAttachment attachment_;
    std::uint64_t offset_ = 0;
};

/// Our sample driver's device; tests/vm/driver/statebox.c explains the attributes.
class Statebox : public MediatedDevice {
  public:
    explicit Statebox(std::uint64_t size, std::uint64_t seed = 0);

    void set(std::string_view attribute, const std::string& value) const;
    [[nodiscard]] std::string digest() const;
};

}  // namespace multifd::vm
