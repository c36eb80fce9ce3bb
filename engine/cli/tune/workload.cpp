#include "engine/cli/tune/workload.hpp"

#include "engine/text/quantity.hpp"

namespace multifd::tuning {

std::string_view to_string(Memory memory) noexcept {
    return memory == Memory::held ? "held" : "lent";
}

std::vector<std::string> device_words(const Workload& workload) {
    std::vector<std::string> words;
    for (std::uint32_t index = 0; index < workload.devices; ++index) {
        std::string word = "memory,idstr=tune" + std::to_string(index) +
                           ",size=" + format_size(workload.state_size) +
                           ",seed=" + std::to_string(index + 1) +
                           (workload.memory == Memory::held ? ",held=on" : ",lend=on");
        if (workload.compressible_percent != 0) {
            word += ",compressible=" + std::to_string(workload.compressible_percent);
        }
        if (workload.read_rate != 0) word += ",read-rate=" + format_rate(workload.read_rate);
        if (workload.write_rate != 0) word += ",write-rate=" + format_rate(workload.write_rate);
        words.push_back(std::move(word));
    }
    return words;
}

}  // namespace multifd::tuning
