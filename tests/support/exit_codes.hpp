// The command's exit codes as README.md documents them: written down again, so that a change shows.
#pragma once

namespace multifd {

inline constexpr int kInternalFault = 1;
inline constexpr int kUsage = 2;
inline constexpr int kConnection = 3;
inline constexpr int kPeerFailed = 4;
inline constexpr int kDeviceFailed = 5;
inline constexpr int kProtocol = 6;
inline constexpr int kVerification = 7;
inline constexpr int kTimeout = 8;
inline constexpr int kCancelled = 9;
inline constexpr int kUnknownOwner = 10;
inline constexpr int kDisagreement = 11;
inline constexpr int kHostFailed = 12;
inline constexpr int kResources = 13;
inline constexpr int kOverLimit = 14;  ///< --strict-downtime.

}  // namespace multifd
