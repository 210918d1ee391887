use crate::service::scm;
use std::{future::Future as _, io, pin::pin};
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown,
};

#[derive(Debug)]
pub(super) struct Termination {
    interrupt: CtrlC,
    broken: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

impl Termination {
    pub(super) fn install() -> io::Result<Self> {
        Ok(Self {
            interrupt: ctrl_c()?,
            broken: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    pub(super) async fn requested(&mut self) {
        let mut by_scm = pin!(scm::stop_requested());
        std::future::poll_fn(|context| {
            let asked = [
                by_scm.as_mut().poll(context).is_ready(),
                self.interrupt.poll_recv(context).is_ready(),
                self.broken.poll_recv(context).is_ready(),
                self.close.poll_recv(context).is_ready(),
                self.logoff.poll_recv(context).is_ready(),
                self.shutdown.poll_recv(context).is_ready(),
            ];
            if asked.contains(&true) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
}
