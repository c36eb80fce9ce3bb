// Lists of CPUs as users and the kernel write them: "0-3,8".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace multifd {

/// In the order written, each once. Empty for anything else than numbers and ascending ranges
/// separated by commas, for a CPU given twice, and for numbers that no CPU has (over 8191).
[[nodiscard]] std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view text);

/// "3,0-1" of {3, 0, 1}: in their order, runs joined. parse_cpu_list() of it gives the same.
[[nodiscard]] std::string format_cpu_list(const std::vector<unsigned>& cpus);

}  // namespace multifd
