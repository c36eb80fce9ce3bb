#include "engine/cli/inspect_extract.hpp"

#include <filesystem>

#include "engine/cli/command_context.hpp"
#include "engine/cli/result_file.hpp"

namespace multifd {
namespace {

using Pieces = std::vector<std::span<const std::byte>>;

bool stays(char letter) {
    return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z') ||
           (letter >= '0' && letter <= '9') || letter == '.' || letter == '-';
}

/// The files of all devices, one after the other.
class Extraction {
  public:
    explicit Extraction(std::string folder) : folder_(std::move(folder)) {}

    void write_device(const DeviceIdentity& identity, const InspectedDevice& device) {
        const std::string name = extracted_name(identity);
        const OrderedState state = order_state(device);
        Pieces pieces = device.main_state;
        for (const StatePacket* packet : state.buffers) pieces.push_back(packet->data);
        const bool seen = device.ended || !device.packets.empty();
        if (seen) write(name + (state.complete ? ".state" : ".state.incomplete"), pieces);
        if (!device.pre_copy.empty()) write(name + ".precopy", device.pre_copy);
        if (const auto config = config_of(device)) write(name + ".config", {*config});
    }

    std::vector<ExtractedFile> files;

  private:
    void write(const std::string& name, const Pieces& pieces) {
        const std::string path = folder_ + "/" + name;
        const std::error_code error = replace_file(path, pieces);
        if (error) {
            throw StartFailure(Errc::output_failed,
                               path + " cannot be written: " + error.message());
        }
        std::uint64_t bytes = 0;
        for (const auto piece : pieces) bytes += piece.size();
        files.push_back({path, bytes});
    }

    const std::string folder_;
};

}  // namespace

std::string extracted_name(const DeviceIdentity& identity) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string name;
    for (const char letter : identity.idstr) {
        if (stays(letter)) {
            name += letter;
            continue;
        }
        const auto byte = static_cast<unsigned char>(letter);
        name += '%';
        name += kDigits[byte >> 4U];
        name += kDigits[byte & 0x0fU];
    }
    return name + "." + std::to_string(identity.instance_id);
}

std::vector<ExtractedFile> extract_devices(const Inspection& inspection,
                                           const std::string& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
        throw StartFailure(Errc::output_failed, folder + " cannot be made: " + error.message());
    }
    Extraction extraction(folder);
    for (const auto& [identity, device] : inspection.devices) {
        extraction.write_device(identity, device);
    }
    return std::move(extraction.files);
}

}  // namespace multifd
