"""HTTPS on io_uring: the parts of the reference server `uring-ktls`.

`modes` finds out who can protect records here, `server` holds handshakes and endings,
`kernel_tls` and `user_records` are the two ways to protect what comes between.
"""
