#include "tests/vm/guest_device.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "engine/devices/vfio/vfio_features.hpp"
#include "tests/support/temporary_folder.hpp"

namespace multifd::vm {
namespace {

/// sysfs tells of an error when the value is flushed.
void write_attribute(const std::string& path, const std::string& value) {
    std::ofstream file(path);
    file << value << std::flush;
    if (!file) throw std::runtime_error("cannot write " + value + " to " + path);
}

std::string next_uuid() {
    static unsigned count = 0;
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "00000000-0000-4000-8000-%012x", ++count);
    return text.data();
}

// Registers of a 16550, as far as these tests use them.
constexpr std::uint8_t kData = 0;
constexpr std::uint8_t kLineStatus = 5;
constexpr std::uint8_t kScratch = 7;
constexpr std::uint8_t kDataReady = 1;

}  // namespace

MediatedDevice::MediatedDevice(const std::string& type) {
    const std::string uuid = next_uuid();
    const std::string parent = type.substr(0, type.find('-'));
    write_attribute("/sys/class/mdev_bus/" + parent + "/mdev_supported_types/" + type + "/create",
                    uuid);
    path_ = "/sys/bus/mdev/devices/" + uuid;
}

MediatedDevice::~MediatedDevice() {
    try {
        write_attribute(path_ + "/remove", "1");
    } catch (const std::exception&) {
        // The machine ends soon; the test has its result.
    }
}

std::string MediatedDevice::described(const std::string& idstr) const {
    return "vfio,idstr=" + idstr + ",sysfsdev=" + path_;
}

VfioAttachment MediatedDevice::open() const {
    return attach_vfio(kernel_vfio_calls(), locate_sysfs(path_));
}

DeviceState MediatedDevice::state() const {
    const VfioAttachment attachment = open();
    const auto calls = kernel_vfio_calls();
    const auto answer = VfioFeatures(*calls, attachment.device.get()).state();
    if (!answer.ok()) throw std::runtime_error(path_ + " does not tell its state");
    return answer.value;
}

Uart::Uart(const MediatedDevice& device, std::uint32_t port)
    : calls_(kernel_vfio_calls()), attachment_(device.open()) {
    const auto region = VfioFeatures(*calls_, attachment_.device.get()).region(port);
    if (!region.ok() || region.value.size == 0) throw std::runtime_error("there is no such port");
    offset_ = region.value.offset;
}

void Uart::write(std::uint8_t offset, std::uint8_t value) {
    const auto byte = static_cast<std::byte>(value);
    const auto done =
        calls_->write_at(attachment_.device.get(), std::span(&byte, 1), offset_ + offset);
    if (done != 1) throw std::runtime_error("a register cannot be written");
}

std::uint8_t Uart::read(std::uint8_t offset) {
    std::byte byte{};
    const auto done =
        calls_->read_at(attachment_.device.get(), std::span(&byte, 1), offset_ + offset);
    if (done != 1) throw std::runtime_error("a register cannot be read");
    return std::to_integer<std::uint8_t>(byte);
}

void Uart::put(const Content& content) {
    for (const char letter : content.waiting) write(kData, static_cast<std::uint8_t>(letter));
    write(kScratch, content.scratch);
}

Uart::Content Uart::take() {
    Content content;
    content.scratch = read(kScratch);
    while ((read(kLineStatus) & kDataReady) != 0) {
        content.waiting.push_back(static_cast<char>(read(kData)));
    }
    return content;
}

Statebox::Statebox(std::uint64_t size, std::uint64_t seed) : MediatedDevice("statebox-1") {
    set("size", std::to_string(size));
    if (seed != 0) set("seed", std::to_string(seed));
}

void Statebox::set(std::string_view attribute, const std::string& value) const {
    write_attribute(path() + "/statebox/" + std::string(attribute), value);
}

std::string Statebox::digest() const {
    return read_text(path() + "/statebox/digest");
}

}  // namespace multifd::vm
