// Devices that do one thing wrong, each with the item that must find it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/engine/conformance/altered_device.hpp"

namespace multifd::test {

struct WrongDevice {
    std::string name;
    std::string item;          ///< Must fail.
    std::string reason;        ///< A part of why.
    bool destination = false;  ///< Which of the two is altered.
    std::string options;       ///< Of the memory devices.
    /// Makes the alterations anew; what they remember is their own.
    std::function<AlteredDevice::Alterations()> make;
    DeviceState initial = DeviceState::running;  ///< Of the altered one.
};

std::vector<WrongDevice> wrong_devices();

}  // namespace multifd::test
