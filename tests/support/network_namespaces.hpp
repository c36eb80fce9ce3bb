// Two hosts with several links between them, made of network namespaces.
#pragma once

#include <string>
#include <vector>

namespace multifd {

/// A "source" and a "destination" namespace, joined by `links` pairs of virtual devices of which
/// each has a network of its own. Needs root.
/// Ownership: the namespaces and all that is in them; nothing of this host's network is touched.
/// Threads:   not thread-safe.
/// Errors:    the constructor and everything that changes a link throw std::runtime_error.
class NetworkNamespaces {
  public:
    /// Whether this process may make them: else tests say so and do nothing.
    static bool available();

    explicit NetworkNamespaces(unsigned links);
    ~NetworkNamespaces();
    NetworkNamespaces(const NetworkNamespaces&) = delete;
    NetworkNamespaces& operator=(const NetworkNamespaces&) = delete;

    /// What a command is put behind to run there.
    [[nodiscard]] std::vector<std::string> source_wrapper() const;
    [[nodiscard]] std::vector<std::string> destination_wrapper() const;
    [[nodiscard]] static std::string source_address(unsigned link);
    [[nodiscard]] static std::string destination_address(unsigned link);

    /// What the source sends over this link leaves at `rate` at most ("100mbit").
    void limit(unsigned link, const std::string& rate);
    /// From now on nothing arrives over this link, and nobody is told.
    void cut(unsigned link);

  private:
    std::string source_;
    std::string destination_;
};

}  // namespace multifd
